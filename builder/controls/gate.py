"""What the scanners found, put together and held against the profile. Pure."""

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from builder.model.package import normal
from builder.model.scan import Rating, Scan, ScannerName, ScanRun, ScanSettings, Vulnerability

ORDER = list(Rating)


class Standing(StrEnum):
    """Why a finding fails the gate or doesn't."""

    FAILS = "fails"
    GRACE = "grace"
    """There is a fix, and it is young."""
    UNFIXED = "no fix"
    BELOW = "below"
    """Rated lower than the profile's `fail-on`."""
    EXCUSED = "excused"
    """By VEX."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """One vulnerability of one package, as all scanners together say it."""

    parts: tuple[tuple[ScannerName, Vulnerability], ...]
    standing: Standing = Standing.FAILS
    until: str = ""
    """Last day of its grace."""

    @property
    def first(self) -> Vulnerability:
        return self.parts[0][1]

    @property
    def id(self) -> str:
        """A CVE where one of them knows it."""
        names = [one.id for _, one in self.parts if one.id]
        return min(names, key=lambda name: not name.startswith("CVE-"), default="")

    @property
    def scanners(self) -> tuple[ScannerName, ...]:
        return tuple(dict.fromkeys(name for name, _ in self.parts))

    @property
    def rating(self) -> Rating:
        return max((one.rating for _, one in self.parts), key=ORDER.index)

    @property
    def fixed(self) -> str:
        return next((one.fixed for _, one in self.parts if one.fixed), "")

    @property
    def excused(self) -> str:
        return next((one.excused for _, one in self.parts if one.excused), "")

    @property
    def since(self) -> str:
        """The first day that is known of the fix, or of the finding where nobody knows the fix's."""
        told = [one.fixed_since for _, one in self.parts if one.fixed_since]
        return min(told or [one.first_seen for _, one in self.parts if one.first_seen], default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    problems: tuple[str, ...]
    """Why the scan as a whole fails the gate: nobody assessed, or a required scanner did not."""
    findings: tuple[Merged, ...]
    """Worst first."""

    @property
    def failing(self) -> tuple[Merged, ...]:
        return self.having(Standing.FAILS)

    def having(self, standing: Standing) -> tuple[Merged, ...]:
        return tuple(one for one in self.findings if one.standing is standing)

    @property
    def passed(self) -> bool:
        return not self.problems and not self.failing


def judge(scan: Scan, settings: ScanSettings, today: datetime.date) -> Verdict:
    findings = [judged(one, settings, today) for one in merged(scan.runs)]
    order = list(Standing)
    findings.sort(
        key=lambda one: (
            order.index(one.standing), -weight(one.rating), one.first.package, one.first.version, one.id,
        )
    )  # fmt: skip
    return Verdict(problems=tuple(lacking(scan, settings)), findings=tuple(findings))


def weight(rating: Rating) -> int:
    """What nobody rated comes first: nobody can say that it is harmless."""
    return len(ORDER) if rating is Rating.UNKNOWN else ORDER.index(rating)


def lacking(scan: Scan, settings: ScanSettings) -> Iterator[str]:
    """One that was run and did not assess fails the gate too: somebody put it there to be heard."""
    runs = {run.scanner: run for run in scan.runs}
    if not runs:
        yield "no scanner was run: the profile requires none, and neither trivy nor grype is on the PATH"
    for name in settings.scanners or ():
        if name not in runs:
            yield f"{name} was not run, and the profile requires it"
    for run in scan.runs:
        if not run.assessed:
            yield f"{run.scanner} did not assess the image: {run.problem}"


def merged(runs: Iterable[ScanRun]) -> Iterator[Merged]:
    """Scanners call the same by different names: those that share one, of one package, are one."""
    groups: dict[tuple[str, str, str], list[list[tuple[ScannerName, Vulnerability]]]] = {}
    for run in runs:
        for one in run.found if run.assessed else ():
            there = groups.setdefault((one.kind, normal(one.package), one.version), [])
            same = [group for group in there if any(are_same(one, other) for _, other in group)]
            there[:] = [group for group in there if group not in same]
            there.append([*(item for group in same for item in group), (run.scanner, one)])
    for there in groups.values():
        for group in there:
            yield Merged(parts=tuple(group))


def are_same(one: Vulnerability, other: Vulnerability) -> bool:
    return bool(one.names & other.names) or not (one.names or other.names)


def judged(one: Merged, settings: ScanSettings, today: datetime.date) -> Merged:
    standing, until = standing_of(one, settings, today)
    return Merged(parts=one.parts, standing=standing, until=until)


def standing_of(one: Merged, settings: ScanSettings, today: datetime.date) -> tuple[Standing, str]:
    if one.excused:
        return Standing.EXCUSED, ""
    if weight(one.rating) < ORDER.index(Rating(settings.fail_on or Rating.CRITICAL)):
        return Standing.BELOW, ""
    if not one.fixed and settings.fixed_only:
        return Standing.UNFIXED, ""
    since = datetime.date.fromisoformat(one.since) if one.since else None
    if since is None:
        return Standing.FAILS, ""
    last = since + datetime.timedelta(days=settings.grace_days or 0)
    return (
        (Standing.GRACE, last.isoformat()) if settings.grace_days and today <= last else (Standing.FAILS, "")
    )
