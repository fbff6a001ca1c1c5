"""The table of scanners, and which of them are run."""

from collections.abc import Mapping, Sequence

from builder.model.scan import SCANNERS, ScannerName, ScanRun
from builder.scan import program
from builder.scan.target import Scanner, Target


def _builtin(target: Target) -> ScanRun:
    from builder.scan.builtin import scan  # noqa: PLC0415 - each is imported where it is run

    return scan(target)


def _trivy(target: Target) -> ScanRun:
    from builder.scan.trivy import scan  # noqa: PLC0415

    return scan(target)


def _grype(target: Target) -> ScanRun:
    from builder.scan.grype import scan  # noqa: PLC0415

    return scan(target)


TABLE: Mapping[ScannerName, Scanner] = {"built-in": _builtin, "trivy": _trivy, "grype": _grype}


def chosen(
    target: Target, wanted: Sequence[ScannerName], table: Mapping[ScannerName, Scanner]
) -> list[ScannerName]:
    """Those named; else those that the profile requires, the built-in one, and what is on the PATH."""
    if wanted:
        return [name for name in SCANNERS if name in wanted]
    required = target.settings.scanners or ()
    return [
        name
        for name in SCANNERS
        if name in required or (name in table and (name == "built-in" or program.on_path(name)))
    ]


def run(
    target: Target, wanted: Sequence[ScannerName] = (), table: Mapping[ScannerName, Scanner] = TABLE
) -> tuple[ScanRun, ...]:
    """Every chosen scanner's answer, in the table's order. One that isn't there did not assess."""
    runs = []
    for name in chosen(target, wanted, table):
        target.place.progress.stage(f"scanning with {name}")
        runs.append(in_order(table[name](target)))
    return tuple(runs)


def in_order(run: ScanRun) -> ScanRun:
    found = sorted(run.found, key=lambda one: (one.package, one.version, one.id, one.fixed))
    return run.model_copy(update={"found": tuple(dict.fromkeys(found))})
