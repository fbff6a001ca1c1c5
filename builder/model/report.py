"""Findings and the report: per control, how it stands and how that is known."""

from dataclasses import dataclass
from enum import StrEnum

from builder.model.base import Strict
from builder.model.spec import Strings


class Severity(StrEnum):
    """Lowest first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that breaks a control."""

    message: str
    """Lower case, names the place, says what is wrong: `usr/bin/su is setuid (mode 4755)`."""
    path: str = ""
    """Entry in the image, without leading slash; empty when it is about the config."""
    layer: str = ""
    """Digest of the layer it stands in, when it is about one layer."""


class Outcome(StrEnum):
    """How a check of a control ended. Only `PASSED` counts as passed."""

    PASSED = "passed"
    FAILED = "failed"
    WAIVED = "waived"
    NOT_RUN = "not run"
    NOT_ASSESSED = "not assessed"
    NONE = "none"
    """The control has no check of this kind (no live test, say)."""


class CheckResult(Strict):
    """One live test or one group of findings, as it stands in a report."""

    name: str
    outcome: Outcome
    message: str = ""
    seconds: float = 0.0


class ControlResult(Strict):
    key: str
    title: str
    severity: Severity
    asked_by: str
    changed: tuple[str, ...] = ()
    """What enforcing it changed, a line each."""
    audit: Outcome
    findings: tuple[Finding, ...] = ()
    live: Outcome
    checks: tuple[CheckResult, ...] = ()
    waiver: str = ""
    """`reason (until 2027-03-31)` when the failure is waived."""

    @property
    def outcome(self) -> Outcome:
        """The worst of both checks; a control with no verdict at all is not assessed."""
        parts = {self.audit, self.live}
        for worst in (Outcome.FAILED, Outcome.WAIVED, Outcome.NOT_ASSESSED, Outcome.PASSED):
            if worst in parts:
                return worst
        return Outcome.NOT_RUN


class PackageRow(Strict):
    name: str
    version: str
    kind: str
    """`deb` or `wheel`."""


class SeccompRow(Strict):
    """The image's own seccomp profile, and what it was tested on."""

    allowed: int
    """System calls that it lets through."""
    default: int
    """Those that the engine's default profile lets through, in a container without capabilities."""
    engine: str
    """`20.10.24`"""
    runtime: str
    """`runc 1.1.5`: another version may need other calls to start a program."""
    probe: Strings = ()
    """Let through for the probe shell of the live tests, in the tested container only."""


class SbomRow(Strict):
    """What the SBOM beside the image accounts for."""

    components: int
    kinds: dict[str, int] = {}
    """`deb`, `wheel`, `bundled` (in a wheel), `files` (the image's own), `generated` -> how many."""
    libraries: int
    """Shared libraries that are named by soname and build id."""
    files: int
    owned_files: int
    """Those that a component brought."""
    bytes: int
    owned_bytes: int
    unowned: Strings = ()
    """The first paths that no component accounts for; the SBOM lists all."""


class Report(Strict):
    """What `report.json` holds. No clock, host name or working directory is in it."""

    schema_version: int = 1
    image: str
    variant_of: str = ""
    """The image whose image.yaml has it as a variant; empty where it is none."""
    foreign: bool = False
    """Others built it: there is no image.yaml, and what is to be done is said without one."""
    profile: str
    platform: str
    digest: str
    tag: str = ""
    created: str
    size: int
    """Compressed layers, bytes."""
    unpacked: int
    """Sum of file sizes, bytes."""
    pruned: int = 0
    """Bytes of the files that hardening took out; 0 where it isn't known."""
    layers: int
    files: int
    packages: tuple[PackageRow, ...]
    controls: tuple[ControlResult, ...]
    switched_off: tuple[str, ...] = ()
    """`key: reason (profile)`."""
    seccomp: SeccompRow | None = None
    """Where the image has a profile of its own, and live tests ran under it."""
    suites: tuple[CheckResult, ...] = ()
    """Live tests that belong to no control: the image's own."""
    gpu: tuple[CheckResult, ...] = ()
    """How the image meets a GPU. Each name begins with how it is known: `rehearsal`, `gpu` for a real one."""
    not_run: tuple[str, ...] = ()
    """What was not checked and why, in the user's words."""
    sbom: SbomRow | None = None
    """Of the SBOM that was written beside the image; absent where none is."""
    terms: tuple[str, ...] = ()
    """What the makers of libraries in the image ask of whoever passes it on."""
    advice: tuple[str, ...] = ()
    """What hardening an image of others could not mend, or may need a hand, and what to do."""

    def failed(self, at_least: Severity) -> bool:
        """Whether a control of this severity or above failed; live tests of no control always count."""
        order = list(Severity)
        return any(
            control.outcome is Outcome.FAILED and order.index(control.severity) >= order.index(at_least)
            for control in self.controls
        ) or any(check.outcome is Outcome.FAILED for check in self.free)

    @property
    def free(self) -> tuple[CheckResult, ...]:
        """Checks of no control."""
        return (*self.suites, *self.gpu)

    @property
    def passed(self) -> bool:
        failed = any(control.outcome is Outcome.FAILED for control in self.controls)
        return not failed and all(check.outcome is not Outcome.FAILED for check in self.free)
