"""A scan for people and for programs. Pure."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from builder.controls.gate import Merged, Standing, Verdict
from builder.model.scan import ScanRun, ScanSettings
from builder.scan.target import Scanned
from builder.show import Rows, table
from builder.verify.text import plural

HEAD = ("package", "installed", "fixed in", "vulnerability", "rating", "open", "scanner")
SHOWN = 40
"""Findings that a person sees of those that fail; `--json` and scan.json have them all."""


def as_text(done: Scanned) -> str:
    parts = [
        head(done),
        *failing(done.verdict),
        *others(done.verdict, done.plan.scan),
        *excused(done.verdict),
        *notes(done),
        *supported_less(done.scan.runs),
    ]
    return "\n\n".join([*parts, gate(done)])


def head(done: Scanned) -> str:
    rows: Rows = [
        ("image", f"{done.plan.image}, profile {done.plan.profile}, {done.platform}"),
        ("digest", done.scan.digest),
    ]
    return "\n".join([table(rows, ""), "scanners", *scanners(done.scan.runs)])


def scanners(runs: tuple[ScanRun, ...]) -> Iterator[str]:
    yield table([(run.scanner, run.version or "-", told(run)) for run in runs]) if runs else "  none"
    for run in runs:
        yield from (f"  {run.scanner} can't tell: {limit}" for limit in run.limits)


def told(run: ScanRun) -> str:
    if not run.assessed:
        return f"not assessed: {run.problem}"
    data = f", data of {run.database}" if run.database else ""
    return f"{plural(len(run.found), 'finding')} in {plural(run.packages, 'package')}{data}"


def failing(verdict: Verdict) -> Iterator[str]:
    if found := verdict.failing:
        yield listed("fails", found)


def listed(title: str, found: tuple[Merged, ...]) -> str:
    lines = [f"{title} ({len(found)})", table([HEAD, *(row(one) for one in found[:SHOWN])])]
    if len(found) > SHOWN:
        lines.append(f"  and {len(found) - SHOWN} more: see scan.json, or --json")
    return "\n".join(lines)


def row(one: Merged) -> tuple[str, ...]:
    first = one.first
    return (
        first.package,
        first.version,
        one.fixed or "no fix",
        one.id or "security update",
        one.rating.value,
        since(one),
        ", ".join(one.scanners),
    )


def since(one: Merged) -> str:
    """How long it has been open, and how that is known."""
    if one.until:
        return f"grace until {one.until}"
    told = any(part.fixed_since for _, part in one.parts)
    return f"{'fixed' if told else 'seen'} {one.since}" if one.since else ""


def others(verdict: Verdict, settings: ScanSettings) -> Iterator[str]:
    if found := verdict.having(Standing.GRACE):
        yield listed("fails once its grace is over", found)
    counts = Counter(one.standing for one in verdict.findings)
    lines = []
    if counts[Standing.BELOW]:
        lines.append((f"{counts[Standing.BELOW]}", f"rated below {settings.fail_on}"))
    if counts[Standing.UNFIXED]:
        lines.append((f"{counts[Standing.UNFIXED]}", "without a fix"))
    if lines:
        yield "not counted\n" + table(lines, right=(0,))


def excused(verdict: Verdict) -> Iterator[str]:
    if found := verdict.having(Standing.EXCUSED):
        rows = [(one.first.package, one.id, one.rating.value, one.excused) for one in found]
        yield f"excused by VEX ({len(found)})\n{table(rows)}"


def supported_less(runs: tuple[ScanRun, ...]) -> Iterator[str]:
    """What the distribution itself answers for no more, or not fully."""
    found = [one for run in runs for one in run.support or ()]
    if found:
        rows = [(one.package, one.version, f"{one.level} {one.date}".rstrip(), one.note) for one in found]
        yield f"supported less than the distribution ({len(found)})\n{table(rows)}"


def notes(done: Scanned) -> Iterator[str]:
    if done.scan.vex:
        yield "\n".join(["VEX statements that excuse nothing", *(f"  - {note}" for note in done.scan.vex)])


def gate(done: Scanned) -> str:
    verdict = done.verdict
    name = f"{done.plan.image} {'passes' if verdict.passed else 'fails'} the scan gate of profile "
    lines = [f"{name}{done.plan.profile}{': ' if not verdict.passed else ''}{reasons(verdict)}"]
    lines += [f"  - {problem}" for problem in verdict.problems]
    if done.path is not None:
        lines += ["", f"written to {done.path}"]
    return "\n".join(lines)


def reasons(verdict: Verdict) -> str:
    said = []
    if verdict.failing:
        said.append(plural(len(verdict.failing), "finding"))
    if verdict.problems:
        said.append("not assessed")
    return ", ".join(said)


def as_data(done: Scanned) -> dict[str, Any]:
    verdict = done.verdict
    return {
        **done.scan.model_dump(mode="json", by_alias=True),
        "profile": done.plan.profile,
        "platform": done.platform,
        "passed": verdict.passed,
        "proposed-vex": done.proposed,
        "problems": list(verdict.problems),
        "findings": [finding(one) for one in verdict.findings],
    }


def finding(one: Merged) -> dict[str, Any]:
    first = one.first
    return {
        "id": one.id,
        "package": first.package,
        "version": first.version,
        "kind": first.kind,
        "fixed": one.fixed,
        "rating": one.rating.value,
        "scanners": list(one.scanners),
        "since": one.since,
        "standing": one.standing.value,
        "until": one.until,
        "excused": one.excused,
    }
