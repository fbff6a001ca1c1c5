"""What a scanner is told, and what one is."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builder.controls.gate import Verdict
from builder.model.image import Image
from builder.model.plan import ForeignPlan, Plan
from builder.model.scan import Scan, ScanRun, ScanSettings
from builder.workplace import Workplace


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A finished image, and under which rules it is looked at."""

    place: Workplace
    plan: Plan | ForeignPlan
    image: Image
    """As it was read back from disk."""
    layout: Path | None
    """The OCI layout; `None` where the image came from elsewhere."""
    sbom: Path | None
    """Its CycloneDX SBOM, where there is no layout."""
    today: datetime.date
    update: bool = False
    """Scanners may fetch their database first; they get no network otherwise."""

    @property
    def settings(self) -> ScanSettings:
        return self.plan.scan


Scanner = Callable[[Target], ScanRun]
"""Never raises for what a scanner does: what went wrong stands in `problem`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What `temper scan` has to say."""

    scan: Scan
    plan: Plan | ForeignPlan
    platform: str
    verdict: Verdict
    path: Path | None
    """Where the scanners' answers are kept; `None` for an image of others."""
    proposed: str = ""
    """A file of VEX statements that the image proves; where it was asked for."""
