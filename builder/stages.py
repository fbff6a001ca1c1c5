"""What the stages hand to each other inside `builder.pipeline`, and where results lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.model.contract import RunContract
from builder.model.image import Image
from builder.model.lock import LockedIndex, LockedPlatform
from builder.model.plan import Plan
from builder.model.report import Report, SbomRow
from builder.model.tree import Entry
from builder.packages.bytecode import Interpreter
from builder.rootfs.rows import Row
from builder.rootfs.watched import Watch

LAYOUT = "oci"
DEFINITION = "definition"
REPORT = "report.json"
SBOM = "sbom"
PROVENANCE = "provenance.json"
PUBLISHED = "published.json"
SCAN = "scan.json"
VEX = "vex.json"


def tag_of(plan: Plan) -> str:
    return f"temper/{plan.image}:{plan.profile}"


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
    anew: bool = False
    """Take nothing from the build before, but layers and byte code by what they are made of."""
    cdi: Path | None = None
    """A CDI specification in the place of the one that the host has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    folder: Path
    """Holds `oci/`, `definition/` and `report.json`."""
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Everything that goes into a build but the bytes of the image's own files."""

    key: str
    own: tuple[Entry, ...]
    """Those files, as they lie in the image's folder."""
    looks: Mapping[str, str]
    """What each of them looks like to a search for secrets; empty for nothing."""
    watch: Watch = field(default_factory=Watch)
    """Whose bytes the controls asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a build that passed came to, as JSON has it: all but the bytes of the image's own files."""

    config: str
    """The image's, as it was written."""
    layers: Sequence[tuple[str, str, str, int]]
    """Name, digest, diff id and size in bytes, lowest first."""
    rows: Sequence[tuple[Row, tuple[str, str, str]]]
    """Of the layer with the own files: entries without contents, and their owners."""
    interpreter: Sequence[str]
    """Version and SHA-256 of the Python that compiled byte code; empty where none did."""
    distribution: str
    changes: Mapping[str, Sequence[str]]
    pruned: int
    looked_at: Mapping[str, str]
    """SHA-256 of those own files that something depends on."""
    looks: Mapping[str, str]
    """What files of the own layer look like to a search for secrets, where like anything."""
    bills: Any
    definition: str
    """Digest of the rendered files."""
    outcomes: Sequence[tuple[str, str, str]]
    """Of the audit: control, outcome, and why it was not assessed."""
    unpacked: int
    """Bytes of all files but those of the own layer."""
    files: int
    terms: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A hardened image with its layers cut and in the store."""

    image: Image
    """Where `settled` is there, its tree is the own layer alone."""
    changes: dict[str, tuple[str, ...]]
    pruned: int
    """Bytes of the files that hardening took out."""
    sbom: SbomRow | None = None
    """What the SBOM accounts for, once it is written."""
    section: LockedPlatform
    indexes: tuple[LockedIndex, ...]
    """The signed ones that the lock was made from."""
    contract: RunContract
    distribution: str = ""
    """`debian-13`: of what was composed."""
    frame: Frame | None = None
    interpreter: Interpreter | None = None
    """Which compiled byte code."""
    settled: Settled | None = None
    """What was taken from the build before."""
