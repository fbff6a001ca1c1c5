"""Scans that are old, of another image, of a bad scanner, or that somebody swept clean."""

import datetime
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from builder.model.plan import Plan
from builder.model.scan import Rating, StatedScan, Support, SupportLevel, Vulnerability
from tests.unit.controls.mutant import Mutant

Told = Callable[[StatedScan], StatedScan]
OTHER = f"sha256:{'0' * 64}"


def rewritten(**changes: Any) -> Told:
    """Other facts of the scan."""

    def told(stated: StatedScan) -> StatedScan:
        assert stated.scan is not None
        return replace(stated, scan=stated.scan.model_copy(update=changes))

    return told


def ran(**changes: Any) -> Told:
    """Other facts of its only run."""

    def told(stated: StatedScan) -> StatedScan:
        assert stated.scan is not None
        return rewritten(runs=(stated.scan.runs[0].model_copy(update=changes),))(stated)

    return told


def found(**changes: Any) -> Told:
    """Other facts of its only finding."""

    def told(stated: StatedScan) -> StatedScan:
        assert stated.scan is not None
        return ran(found=(stated.scan.runs[0].found[0].model_copy(update=changes),))(stated)

    return told


def told(**changes: Any) -> Told:
    """Other facts of the built-in scanner's run; trivy's is left out."""

    def other(stated: StatedScan) -> StatedScan:
        assert stated.scan is not None
        return rewritten(runs=(stated.scan.runs[1].model_copy(update=changes),))(stated)

    return other


def pending(*names: str, **known: Any) -> Vulnerability:
    """A security update that mends this."""
    given = {"package": "libc6", "version": "2.41-12", "kind": "deb", "fixed": "2.41-12+deb13u1", **known}
    return Vulnerability(id=names[0] if names else "", **given)


def supported(level: SupportLevel, **known: str) -> Support:
    return Support(package="lxd-client", version="5.0", source="lxd", level=level, **known)


def stating(**changes: Any) -> Told:
    """Another statement."""

    def told(stated: StatedScan) -> StatedScan:
        [one] = stated.issued
        said = one.statement.model_copy(update=changes)
        return replace(stated, issued=(replace(one, statement=said),))

    return told


def asking(**changes: Any) -> Callable[[Plan], Plan]:
    """Another `scan:` in the profile."""
    return lambda plan: replace(plan, scan=plan.scan.model_copy(update=changes))


def mutant(control: str, name: str, message: str, scan: Told = lambda stated: stated, **more: Any) -> Mutant:
    return Mutant(
        control=control, name=name, message=message, scan=scan, mended=False,
        break_=lambda image: image.replace(), **more,
    )  # fmt: skip


EXCUSED = "trivy: CVE-2026-0001 of libc6 is excused by 'vex/a.yaml: vulnerable_code_not_present'"
SCANNED = (
    mutant(
        "vulnerability-scan",
        "can't be read",
        "scan.json is no scan that can be read; scan the image again",
        lambda stated: replace(
            stated, scan=None, problem="is no scan that can be read; scan the image again"
        ),
    ),
    mutant(
        "vulnerability-scan",
        "of another image",
        f"scan.json is about another image, {OTHER}",
        rewritten(digest=OTHER),
    ),
    mutant(
        "vulnerability-scan",
        "too old",
        "the last scan is of 2026-11-20, 9 days old, and 7 are allowed",
        lambda stated: replace(stated, today=datetime.date(2026, 11, 29)),
    ),
    mutant(
        "vulnerability-scan",
        "older than the profile has it",
        "the last scan is of 2026-11-20, 2 days old, and 1 are allowed",
        parameters={"max_age_days": 1},
    ),
    mutant(
        "vulnerability-scan",
        "one that fails the gate",
        "deb libc6 2.41-12: CVE-2026-0001, rated critical, fixed in 2.41-13",
        found(excused="", first_seen="2026-01-01"),
    ),
    mutant(
        "vulnerability-scan",
        "its grace is over",
        "deb libc6 2.41-12: CVE-2026-0001, rated critical, fixed in 2.41-13",
        found(excused=""),
        plan=asking(grace_days=20),
    ),
    mutant(
        "vulnerability-scan",
        "an update that names nothing",
        "deb libc6 2.41-12: a security update that is pending, rated unknown, fixed in 2.41-13",
        found(excused="", id="", rating=Rating.UNKNOWN, fixed_since="2026-01-01"),
    ),
    mutant(
        "vex-only",
        "nobody says so",
        f"{EXCUSED}, and no such statement holds today",
        lambda stated: replace(stated, issued=()),
    ),
    mutant(
        "vex-only",
        "it expired",
        f"{EXCUSED}, and no such statement holds today",
        stating(expires=datetime.date(2026, 11, 21)),
    ),
    mutant(
        "vex-only",
        "it is about another package",
        f"{EXCUSED}, and no such statement holds today",
        stating(packages=("zlib1g",)),
    ),
    mutant(
        "vex-only",
        "written into scan.json by hand",
        "trivy: CVE-2026-0001 of libc6 is excused by 'we looked at it', and no such statement holds today",
        found(excused="we looked at it"),
    ),
    mutant(
        "known-scanners",
        "a release of attackers",
        "trivy 0.69.4 was run: that release was not made by its makers (GHSA-69fq-xp46-6x23)",
        ran(version="0.69.4"),
    ),
    mutant(
        "known-scanners",
        "nobody noted which",
        "trivy: its version and its hash were not recorded",
        ran(sha256=""),
    ),
    mutant(
        "known-scanners",
        "another program than the pinned one",
        f"trivy 0.74.0 has SHA-256 {'0' * 64}, which the profile's pins don't name",
        plan=asking(pins={"trivy": ("1" * 64,)}),
    ),
    mutant(
        "no-pending-updates",
        "an update that names nothing",
        "package 'libc6' 2.41-12 lacks the security update 2.41-12+deb13u1",
        told(found=(pending(),)),
        also=("vulnerability-scan",),
    ),
    mutant(
        "no-pending-updates",
        "an update that mends much",
        "package 'libc6' 2.41-12 lacks the security update 2.41-12+deb13u1, which mends CVE-2026-1, "
        "CVE-2026-2, CVE-2026-3 and 1 more",
        told(found=tuple(pending(f"CVE-2026-{number}") for number in (4, 3, 2, 1))),
        also=("vulnerability-scan",),
    ),
    mutant(
        "supported-packages",
        "ended",
        "support of package 'lxd-client' 5.0 (lxd) is ended since 2026-06-12: too hard",
        told(support=(supported(SupportLevel.ENDED, date="2026-06-12", note="too hard"),)),
    ),
    mutant(
        "supported-packages",
        "to end before the distribution's own",
        "support of package 'lxd-client' 5.0 (lxd) is ending on 2027-06-12",
        told(support=(supported(SupportLevel.ENDING, date="2027-06-12"),)),
        parameters={"limited": "allow"},
    ),
    mutant(
        "supported-packages",
        "limited",
        "support of package 'lxd-client' 5.0 (lxd) is limited: for trusted guests",
        told(support=(supported(SupportLevel.LIMITED, note="for trusted guests"),)),
    ),
)
