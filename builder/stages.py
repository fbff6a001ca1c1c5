"""What the stages hand to each other inside `builder.pipeline`, and where results lie."""

from dataclasses import dataclass
from pathlib import Path

from builder.model.contract import RunContract
from builder.model.image import Image
from builder.model.lock import LockedIndex, LockedPlatform
from builder.model.report import Report, SbomRow

LAYOUT = "oci"
DEFINITION = "definition"
REPORT = "report.json"
SBOM = "sbom"
PROVENANCE = "provenance.json"
PUBLISHED = "published.json"
SCAN = "scan.json"
VEX = "vex.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `temper build` was asked for besides the plan."""

    output: Path | None = None
    platform: str | None = None
    engine: str = "auto"
    """`auto`: load the layout where an engine answers; `required`: the same, and fail where none does;
    `docker`: have the engine build the definition; `none`."""
    verify: bool = False
    gpu: str = ""
    """`rehearsal`, or which GPUs of this machine to verify on: `all`, an index, a UUID."""
    cdi: Path | None = None
    """A CDI specification in the place of the one that the host has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    folder: Path
    """Holds `oci/`, `definition/` and `report.json`."""
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A hardened image with its layers cut and in the store."""

    image: Image
    changes: dict[str, tuple[str, ...]]
    pruned: int
    """Bytes of the files that hardening took out."""
    sbom: SbomRow | None = None
    """What the SBOM accounts for, once it is written."""
    section: LockedPlatform
    indexes: tuple[LockedIndex, ...]
    """The signed ones that the lock was made from."""
    contract: RunContract
