"""A report for people: what was built, how it stands, what to do. Plain text, 100 columns, no colours."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator

from builder.controls.catalogue import BY_KEY
from builder.model.report import CheckResult, ControlResult, Outcome, Report, SbomRow, SeccompRow

WIDTH = 100
SHOWN = 8
"""Findings of one control that are printed; report.json has them all."""
WORDS = {Outcome.FAILED: "FAILED", Outcome.NONE: "-"}
"""Of the rest, the word is the value: `not run` must never look like `passed`."""


def plain_text(report: Report) -> str:
    blocks = [
        head(report),
        controls(report),
        suites(report),
        gpu(report.gpu),
        *failures(report),
        *notes(report),
    ]
    return "\n\n".join(block for block in blocks if block) + f"\n\n{verdict(report)}\n"


def word(outcome: Outcome) -> str:
    return WORDS.get(outcome, outcome.value)


def head(report: Report) -> str:
    kinds = Counter(row.kind for row in report.packages)
    packages = ", ".join(
        plural(kinds[kind], name)
        for kind, name in (("deb", "Debian package"), ("wheel", "wheel"))
        if kinds[kind]
    )
    size = (
        f"{megabytes(report.size)} in {plural(report.layers, 'layer')}, {megabytes(report.unpacked)} unpacked"
    )
    if report.pruned:
        size += f" after {megabytes(report.pruned)} were pruned"
    rows = [
        ("image", f"{report.image}, profile {report.profile}, {report.platform}"),
        ("digest", report.digest),
        ("tag", report.tag or f"none: {untagged(report)}"),
        ("created", report.created),
        ("size", f"{size}, {plural(report.files, 'file')}"),
        ("packages", packages or "none"),
    ]
    if report.sbom:
        rows.append(("sbom", coverage(report.sbom)))
    if report.seccomp:
        rows.append(("seccomp", seccomp(report.seccomp)))
    return "\n".join(f"{name:<9} {value}" for name, value in rows)


def coverage(row: SbomRow) -> str:
    """`27 components own 1,409 of 1,409 files and 100 % of the bytes`"""
    verb = "owns" if row.components == 1 else "own"
    share = 100 * row.owned_bytes / row.bytes if row.bytes else 100
    shown = "100" if row.owned_bytes == row.bytes else f"{min(share, 99.9):.1f}"
    return (
        f"{plural(row.components, 'component')} {verb} {row.owned_files:,} of {plural(row.files, 'file')} "
        f"and {shown} % of the bytes"
    )


def untagged(report: Report) -> str:
    checks = [*report.free, *(check for control in report.controls for check in control.checks)]
    failed = any(check.outcome is Outcome.FAILED for check in checks)
    return "its live tests fail" if failed else "not loaded into an engine"


def seccomp(found: SeccompRow) -> str:
    probe = f" (with {len(found.probe)} more for the probes)" if found.probe else ""
    return (
        f"{found.allowed} system calls allowed, {found.default} by the engine's default; "
        f"tested on {found.runtime}, engine {found.engine}{probe}"
    )


def megabytes(size: int) -> str:
    """Powers of ten, as disks and registries count."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def controls(report: Report) -> str:
    heading = ("control", "severity", "enforced", "audit", "live")
    rows = [heading, *map(row, report.controls)]
    widths = [max(len(line[column]) for line in rows) for column in range(len(heading))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in rows
    )


def row(control: ControlResult) -> tuple[str, ...]:
    enforced = plural(changes(control), "change") if control.changed else "-"
    return control.key, control.severity.value, enforced, word(control.audit), live(control)


def changes(control: ControlResult) -> int:
    """Hardening names the first ones and counts the rest in a last line."""
    rest = re.fullmatch(r"and (\d+) more", control.changed[-1])
    return len(control.changed) - 1 + int(rest[1]) if rest else len(control.changed)


def live(control: ControlResult) -> str:
    """`passed 4 of 5` where a check was skipped: the control as a whole is then not proven."""
    done = sum(check.outcome is Outcome.PASSED for check in control.checks)
    if done and control.live is Outcome.NOT_RUN:
        return f"{done} of {len(control.checks)} passed, rest not run"
    return word(control.live)


SHOWN_CHANGES = 20


def changes_text(report: Report) -> str:
    """What hardening changed, by control; all of it stands in report.json."""
    blocks = []
    for control in report.controls:
        lines = list(control.changed[:SHOWN_CHANGES])
        if len(control.changed) > SHOWN_CHANGES:
            lines.append(f"and {len(control.changed) - SHOWN_CHANGES} more; --format json has them all")
        if lines:
            blocks.append("\n".join([f"changed by {control.key}: {control.title}", *bullets(lines)]))
    return "\n\n".join(blocks or ["nothing had to be changed"]) + "\n"


def suites(report: Report) -> str:
    if not report.suites:
        return ""
    counts = Counter(check.outcome for check in report.suites)
    order = (Outcome.FAILED, Outcome.NOT_ASSESSED, Outcome.NOT_RUN, Outcome.PASSED)
    said = ", ".join(f"{counts[outcome]} {word(outcome)}" for outcome in order if counts[outcome])
    return f"run contract and the image's own tests: {said}"


def gpu(checks: Iterable[CheckResult]) -> str:
    """Each check on one line, passed or not: what is a rehearsal can't be read out of a sum."""
    return "\n".join(f"{word(check.outcome):<8} {printable(check_line(check))}" for check in checks)


def failures(report: Report) -> Iterator[str]:
    for control in report.controls:
        if control.outcome is Outcome.FAILED:
            yield "\n".join(
                [
                    f"FAILED {control.key} ({control.severity}): {control.title}",
                    *reasons(control, foreign=report.foreign),
                ]
            )
    failed = [check for check in report.free if check.outcome is Outcome.FAILED]
    if failed:
        yield "\n".join(["FAILED live tests", *bullets(map(check_line, failed))])


def reasons(control: ControlResult, *, foreign: bool) -> Iterator[str]:
    found = faults(control)
    yield from bullets(found[:SHOWN])
    if len(found) > SHOWN:
        yield f"  and {len(found) - SHOWN} more; report.json has them all"
    yield from wrapped(f"what to do: {BY_KEY[control.key].remedy_for(foreign=foreign)}", "  ")


def faults(control: ControlResult) -> list[str]:
    found = [finding.message for finding in control.findings]
    return found + [check_line(check) for check in control.checks if check.outcome is Outcome.FAILED]


def check_line(check: CheckResult) -> str:
    return f"{check.name}: {check.message}" if check.message else check.name


def bullets(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield from wrapped(line, "  - ")


def wrapped(text: str, indent: str) -> list[str]:
    """Long words are left whole: a path or digest must stay one that can be copied."""
    return textwrap.wrap(
        printable(" ".join(text.split())),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=" " * len(indent),
        break_long_words=False,
        break_on_hyphens=False,
    )


def printable(text: str) -> str:
    """Images and containers can put escape sequences for terminals into names and logs."""
    return "".join(
        sign if sign in "\n\t" or sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text
    )


def notes(report: Report) -> Iterator[str]:
    waived = [waiver_line(control) for control in report.controls if control.waiver]
    for title, lines in (
        ("waived", waived),
        ("switched off", report.switched_off),
        ("terms", report.terms),
        ("left to do", report.advice),
        ("not run", (*folded(report.not_run), *skipped(report))),
    ):
        if lines:
            yield "\n".join([title, *bullets(lines)])


def folded(lines: Iterable[str]) -> list[str]:
    """One line for all that have the same reason."""
    names: dict[str, list[str]] = {}
    for line in lines:
        name, _, reason = line.partition(": ")
        names.setdefault(reason, []).append(name)
    return [f"{', '.join(found)}: {reason}" if reason else found[0] for reason, found in names.items()]


def waiver_line(control: ControlResult) -> str:
    """With what it answers for: a reason means little without that."""
    found = faults(control)
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"{control.key}: {control.waiver}, for: {'; '.join(found[:SHOWN])}{more}"


def skipped(report: Report) -> list[str]:
    """Tests that skipped themselves, folded by their reason."""
    checks = [*report.suites, *(check for control in report.controls for check in control.checks)]
    names: dict[str, list[str]] = {}
    for check in checks:
        if check.outcome in (Outcome.NOT_RUN, Outcome.NOT_ASSESSED):
            names.setdefault(check.message or check.outcome.value, []).append(check.name)
    return [
        f"{found[0]}: {reason}" if len(found) == 1 else f"{len(found)} live tests: {reason}"
        for reason, found in names.items()
    ]


def verdict(report: Report) -> str:
    """The last line, since that is what stays on the screen. It says `passes` only of what was looked at."""
    counts = Counter(control.outcome for control in report.controls)
    total = plural(len(report.controls), "control")
    details = [f"{counts[kind]} {kind}" for kind in (Outcome.WAIVED, Outcome.NOT_ASSESSED, Outcome.NOT_RUN)]
    extra = "".join(f", {text}" for text in details if not text.startswith("0 "))
    if not report.passed:
        tests = sum(check.outcome is Outcome.FAILED for check in report.free)
        live_tests = f" and {plural(tests, 'live test')}" if tests else ""
        failed = f"{counts[Outcome.FAILED]} of {total}{live_tests}"
        return f"{report.image} FAILS profile {report.profile}: {failed} failed{extra}"
    limit = "" if is_complete(report) else ", as far as it was checked"
    passed = f"{counts[Outcome.PASSED]} of {total} passed"
    return f"{report.image} passes profile {report.profile}{limit}: {passed}{extra}"


def is_complete(report: Report) -> bool:
    unknown = {Outcome.NOT_RUN, Outcome.NOT_ASSESSED}
    parts = {part for control in report.controls for part in (control.audit, control.live)}
    return not report.not_run and not unknown & (parts | {check.outcome for check in report.free})
