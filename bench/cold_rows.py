"""What the results say of cold starts."""

from collections.abc import Callable, Mapping

from bench.clock import Ran
from bench.cold import FORMS, SERVERS, STOCK, WITH, WITHOUT, Server, imports_of, start_of
from bench.rounds import Measured
from bench.stats import times
from bench.table import Row, megabytes, ratio, seconds

COLD_TEXT = """\
From `docker run` to the first answer by 200, and what a process that has just begun takes for the imports
of the server. A read-only root can't keep what Python compiles: without byte code in the image each start
compiles every module again. The stock image is Debian's Python on the smallest installable base of the same
archive, with the same wheels by pip, which compiles them while the image is built. All are started by the
same run contract: one processor, a read-only root, no capabilities. Files are in the kernel's cache.
Processor time and memory are those of the server's process at its first answer."""

Name = Callable[[Server, str], str]


def cold_rows(measured: Measured, sizes: Mapping[tuple[str, str], int]) -> list[Row]:
    """`sizes`: image and form -> bytes unpacked, as the engine says."""
    rows: list[Row] = []
    for server in SERVERS:
        rows += [
            _time(measured, start_of(server, form), f"`{server.original}`, {form}: first answer", size)
            for form in FORMS
            for size in [sizes.get((server.original, form), 0)]
        ]
        rows += [
            _time(measured, imports_of(server, form), f"`{server.original}`, {form}: imports")
            for form in FORMS
        ]
        for name, what in ((start_of, "first answer"), (imports_of, "imports")):
            rows += [
                _ratio(measured, name, server, form, f"`{server.original}`, {what}: {form} / {WITH}")
                for form in (WITHOUT, STOCK)
            ]
    return rows


def _time(measured: Measured, name: str, what: str, size: int = 0) -> Row:
    used, peak = (measured.series(name, value) for value in (_cpu, _peak))
    notes = [f"{seconds(used.median)} of processor time"] if used is not None else []
    if peak is not None and peak.median:
        notes.append(f"{megabytes(peak.median)} of memory")
    if size:
        notes.append(f"{megabytes(size)} unpacked")
    return Row(
        what=what,
        series=measured.series(name, _wall),
        form=seconds,
        reason=measured.reason(name),
        note=", ".join(notes),
    )


def _wall(ran: Ran) -> float:
    return ran.seconds


def _cpu(ran: Ran) -> float:
    return ran.cpu


def _peak(ran: Ran) -> float:
    return float(ran.peak)


def _ratio(measured: Measured, name: Name, server: Server, form: str, what: str) -> Row:
    """Of processor time, which other work on the machine changes less."""
    theirs, ours = (measured.series(name(server, one), _cpu) for one in (form, WITH))
    return Row(
        what=f"{what}, processor time",
        series=times(theirs, ours) if theirs is not None and ours is not None else None,
        form=ratio,
        reason=measured.reason(name(server, form), name(server, WITH)),
    )
