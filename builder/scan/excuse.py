"""Findings that somebody answers for by VEX: the same way for every scanner. Pure."""

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from builder.controls.inventory import inventory
from builder.model.image import Image
from builder.model.package import normal
from builder.model.scan import ScanRun, Vulnerability
from builder.model.vex import ABSENT, EXCUSING, Issued
from builder.scan.absent import code_there


@dataclass(frozen=True, slots=True, kw_only=True)
class Excused:
    runs: tuple[ScanRun, ...]
    notes: tuple[str, ...]
    """Which statements don't count, and why: `vex/a.yaml:3: expired on 2026-01-01; it counts no more`."""


def excuse(runs: Iterable[ScanRun], issued: Sequence[Issued], image: Image, today: datetime.date) -> Excused:
    """The findings with the first statement that holds for them."""
    wrong = {one: why_not(one, image, today) for one in issued}
    holding = [one for one in issued if not wrong[one]]
    judged = tuple(
        run.model_copy(update={"found": tuple(excused(finding, holding) for finding in run.found)})
        for run in runs
    )
    return Excused(runs=judged, notes=tuple(notes(wrong, judged, image)))


def why_not(one: Issued, image: Image, today: datetime.date) -> str:
    """Empty where a statement counts, or never meant to excuse anything."""
    if reason := one.statement.why_not(today):
        return f"{reason}; it counts no more"
    if one.statement.justification != ABSENT:
        return ""
    for package in one.statement.packages:
        if path := code_there(image, package):
            return f"says that '{package}' is not there, and {path} is in the image; it does not count"
    return ""


def excused(finding: Vulnerability, holding: Iterable[Issued]) -> Vulnerability:
    by = next((one for one in holding if one.statement.excuses(finding)), None)
    return finding if by is None else finding.model_copy(update={"excused": by.label})


def notes(wrong: dict[Issued, str], runs: Sequence[ScanRun], image: Image) -> Iterator[str]:
    there = packages(image)
    found = [finding for run in runs for finding in run.found]
    for one, why in wrong.items():
        name = one.statement.vulnerability
        lacking = [package for package in one.statement.packages if normal(package) not in there]
        if why:
            yield f"{one}: {name}: {why}"
        for package in lacking:
            yield f"{one}: {name}: package '{package}' is not in the image; nothing is excused there"
        meant = not why and not lacking and one.statement.status in EXCUSING
        if meant and not any(one.statement.excuses(finding) for finding in found):
            yield f"{one}: {name}: no scanner tells it any more; the statement can go"


def packages(image: Image) -> frozenset[str]:
    found = inventory(image)
    return frozenset(normal(name) for name in (*found.debs, *(wheel.name for wheel in found.wheels)))
