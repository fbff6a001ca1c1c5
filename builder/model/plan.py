"""The plan: an image under a profile, all defaults filled in, every conflict refused."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.model.base import Strict
from builder.model.profile import RunSettings, Waiver
from builder.model.scan import SCAN_DEFAULTS, ScanSettings
from builder.model.spec import ImageSpec

USER_NAME = "nonroot"
"""The account that images run as, by the name that distroless made the field's habit."""
USER_ID = 65532
HOME = "/home/nonroot"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedControl:
    """A control that the profile asks for."""

    key: str
    parameters: Strict
    """An instance of the control's own `Parameters`."""
    asked_by: str
    """The profile of the chain that asked last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchedOff:
    key: str
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRequest:
    name: str
    asked_by: str
    """`image`, `python`, `gpu`, `jit`, or `profile <name>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    image: str
    profile: str
    chain: tuple[str, ...]
    """The profile and what it extends, nearest first: `("hardened", "baseline")`."""
    variant: str = ""
    """Which of those in image.yaml it is; empty for the image itself."""
    spec: ImageSpec
    folder: Path
    """Where image.yaml stands; `files` and `certificates` are relative to it."""
    packages: tuple[PackageRequest, ...]
    controls: tuple[PlannedControl, ...]
    """In the order in which they are enforced (the catalogue's)."""
    switched_off: tuple[SwitchedOff, ...]
    run: RunSettings
    waivers: tuple[Waiver, ...]
    seccomp: str = ""
    """The text of the image's seccomp profile; empty where it has none."""
    scan: ScanSettings = SCAN_DEFAULTS

    @property
    def variant_of(self) -> str:
        """The image whose variant this is; empty where it is none."""
        return self.folder.name if self.variant else ""

    def control(self, key: str) -> PlannedControl | None:
        return next((control for control in self.controls if control.key == key), None)

    def waives(self, key: str) -> bool:
        return any(waiver.control == key for waiver in self.waivers)

    def lock_inputs(self) -> dict[str, Any]:
        """What the lock depends on, as plain JSON data; its digest stands in the lock."""
        python = self.spec.python
        return {
            "base": self.spec.base,
            "packages": sorted({request.name for request in self.packages}),
            "platforms": sorted(self.spec.platforms),
            "python": None
            if python is None
            else {
                "version": python.version,
                "requirements": sorted(python.requirements),
                **({"without": sorted(python.without)} if python.without else {}),
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPlan:
    """What a profile asks of an image that others built: there is no image.yaml, and so no lock."""

    image: str
    """What the report calls it."""
    profile: str
    chain: tuple[str, ...]
    controls: tuple[PlannedControl, ...]
    """In the order in which they are enforced (the catalogue's)."""
    switched_off: tuple[SwitchedOff, ...]
    waivers: tuple[Waiver, ...]
    scan: ScanSettings = SCAN_DEFAULTS
