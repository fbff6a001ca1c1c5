"""What was found out about two images: how controls stand, and which vulnerabilities were found in each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from builder.controls.gate import Merged, merged
from builder.model.report import Outcome, Report
from builder.model.scan import Scan, ScanRun
from builder.show import Rows, table
from builder.stages import LAYOUT, REPORT, SCAN

SHOWN = 20
"""Vulnerabilities that a person sees of each kind of change; `--json` has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What stands beside a layout about exactly that image."""

    report: Report | None = None
    scan: Scan | None = None


NOTHING = Told()


def told(place: Path | None, digest: str) -> Told:
    """Beside a layout, or in a build's folder. What is about another image or broken counts as missing."""
    if place is None or not place.is_dir():
        return NOTHING
    folder = place.parent if place.name == LAYOUT else place
    report, scan = _read(folder / REPORT, Report), _read(folder / SCAN, Scan)
    return Told(
        report=report if report is not None and report.digest == digest else None,
        scan=scan if scan is not None and scan.digest == digest else None,
    )


def _read(path: Path, kind: type[Any]) -> Any:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def controls(old: Told, new: Told, names: tuple[str, str]) -> dict[str, Any]:
    """Those whose outcome changed. `why` says why they can't be compared; empty where they can."""
    why = _missing("report", (old.report, new.report), names)
    if old.report is None or new.report is None:
        return {"why": why, "changed": []}
    before, after = _outcomes(old.report), _outcomes(new.report)
    changed = [
        {"control": key, "from": before.get(key, ""), "to": after.get(key, "")}
        for key in dict.fromkeys((*before, *after))
        if before.get(key) != after.get(key)
    ]
    return {"why": "", "changed": changed}


def _outcomes(report: Report) -> dict[str, str]:
    return {one.key: one.outcome.value for one in report.controls}


def _missing(what: str, there: Iterable[object], names: tuple[str, str]) -> str:
    lacking = [name for name, one in zip(names, there, strict=True) if one is None]
    return f"no {what} is beside {' and '.join(lacking)}" if lacking else ""


def vulnerabilities(old: Told, new: Told, names: tuple[str, str]) -> dict[str, Any]:
    """By what the scanners found that assessed both images: of others, a difference would mean nothing.

    What a VEX statement excuses is not open; `gone` says which one does.
    """
    empty: dict[str, Any] = {"new": [], "gone": [], "still": []}
    if old.scan is None or new.scan is None:
        why = f"{_missing('scan', (old.scan, new.scan), names)}; run `temper scan`"
        return {"why": why, "scanners": [], **empty}
    scanners = sorted(_assessing(old.scan) & _assessing(new.scan))
    if not scanners:
        return {"why": "no scanner has assessed both", "scanners": [], **empty}
    before, after = _open(old.scan, scanners), _open(new.scan, scanners)
    excused = _excused(new.scan, scanners)
    return {
        "why": "",
        "scanners": scanners,
        "new": [_row(one) for key, one in sorted(after.items()) if key not in before],
        "gone": [
            _row(one) | {"excused": excused.get(key, "")}
            for key, one in sorted(before.items())
            if key not in after
        ],
        "still": [_row(one) for key, one in sorted(after.items()) if key in before],
    }


def _assessing(scan: Scan) -> set[str]:
    return {run.scanner for run in scan.runs if run.assessed}


Key = tuple[str, str, str]


def _key(one: Merged) -> Key:
    """Without the version: an update that doesn't mend it leaves it what it was."""
    return one.first.kind, one.first.package, one.id


def _of(scan: Scan, scanners: Iterable[str]) -> Iterator[Merged]:
    runs: list[ScanRun] = [run for run in scan.runs if run.scanner in set(scanners)]
    return merged(runs)


def _open(scan: Scan, scanners: Iterable[str]) -> dict[Key, Merged]:
    return {_key(one): one for one in _of(scan, scanners) if not one.excused}


def _excused(scan: Scan, scanners: Iterable[str]) -> dict[Key, str]:
    return {_key(one): one.excused for one in _of(scan, scanners) if one.excused}


def _row(one: Merged) -> dict[str, str]:
    return {
        "id": one.id,
        "kind": one.first.kind,
        "package": one.first.package,
        "version": one.first.version,
        "fixed": one.fixed,
        "rating": one.rating.value,
    }


def control_lines(data: Mapping[str, Any]) -> Iterator[str]:
    if data["why"]:
        yield f"controls: not compared, {data['why']}"
    elif data["changed"]:
        rows: Rows = [(row["control"], _said(row["from"]), "->", _said(row["to"])) for row in data["changed"]]
        yield f"controls\n{table(rows)}"


def _said(outcome: str) -> str:
    return "FAILED" if outcome == Outcome.FAILED.value else outcome or "not asked for"


def vulnerability_lines(data: Mapping[str, Any]) -> Iterator[str]:
    if data["why"]:
        yield f"vulnerabilities: not compared, {data['why']}"
        return
    counts = f"{len(data['new'])} new, {len(data['gone'])} gone, {len(data['still'])} still there"
    rows = [*_rows("+", data["new"]), *_rows("-", data["gone"])]
    head = f"vulnerabilities by {', '.join(data['scanners'])}: {counts}"
    yield f"{head}\n{table(rows)}" if rows else head


def _rows(sign: str, found: list[dict[str, str]]) -> Iterator[tuple[str, ...]]:
    for row in found[:SHOWN]:
        fixed = f"excused by {row['excused']}" if row.get("excused") else _fixed(row["fixed"])
        name = row["id"] or "security update"
        yield sign, name, f"{row['kind']} {row['package']}", row["version"], row["rating"], fixed
    if len(found) > SHOWN:
        yield sign, f"and {len(found) - SHOWN} more; --json has them all", "", "", "", ""


def _fixed(version: str) -> str:
    return f"fixed in {version}" if version else "no fix"
