"""What the results say of images that others built."""

from bench import subjects
from bench.clock import Ran
from bench.rounds import Measured
from bench.stats import Series, times
from bench.table import MEGA, Goal, Row, megabytes, ratio, seconds

GOAL_SIZE = 5_000 * MEGA
"""Bytes of the image that the goal speaks of."""
FOREIGN_TEXT = """\
`temper audit` of an archive that `docker save` wrote (a Debian base without documentation, a few steps of a
Dockerfile), and of a made-up image: a third libraries of the system, the rest wheels of one library and a
thousand Python files each, the libraries half pieces of real programs and half noise. Temper looks at all its
controls in every layer, and hashes and compares what wheels record.

Beside it, as a scanner does it that unpacks: GNU tar takes each layer out of the archive and unpacks it into
a folder, `find` lists setuid and setgid files, `grep` reads every file once for six plain texts. Removing
the folder isn't counted, and the kernel may still have to write it to the disk when the time ends."""


def foreign_rows(measured: Measured, small: int, large: int) -> list[Row]:
    audit, scan = "`temper audit`", "unpacked and searched"
    tiny, big = megabytes(small), megabytes(large)
    return [
        _time(
            measured, subjects.SMALL_AUDIT, f"{audit}, {tiny} by `docker build`", small, _goal("0.5 s", 0.5)
        ),
        _time(measured, subjects.SMALL_SCAN, f"the same, {scan}", small),
        _time(measured, subjects.SAVED_AUDIT, f"{audit}, {big}, uncompressed", large),
        _at_goal_size(measured, subjects.SAVED_AUDIT, "uncompressed", large),
        _time(measured, subjects.LAYOUT_AUDIT, f"{audit}, {big}, gzip layers", large),
        _at_goal_size(measured, subjects.LAYOUT_AUDIT, "gzip layers", large),
        _time(measured, subjects.LAYOUT_CHECK, "the same layers, only `gzip -dc | sha256sum`", large),
        _time(measured, subjects.LARGE_SCAN, f"the uncompressed one, {scan}", large),
        _ratio(measured, subjects.SMALL_SCAN, subjects.SMALL_AUDIT, f"small one: {scan} / {audit}"),
        _ratio(measured, subjects.LARGE_SCAN, subjects.SAVED_AUDIT, f"large one: {scan} / {audit}"),
        *(
            _peak(measured, name)
            for name in (subjects.SMALL_AUDIT, subjects.SAVED_AUDIT, subjects.LAYOUT_AUDIT)
        ),
    ]


def _goal(text: str, limit: float) -> Goal:
    return Goal(limit=limit, text=f"<= {text}")


def _wall(ran: Ran) -> float:
    return ran.seconds


def _time(measured: Measured, name: str, what: str, size: int, goal: Goal | None = None) -> Row:
    took, used = measured.series(name, _wall), measured.series(name, lambda ran: ran.cpu)
    note = ""
    if took is not None and used is not None:
        note = f"{size / MEGA / took.median:.0f} MB/s, {seconds(used.median)} of processor time"
    return Row(what=what, series=took, form=seconds, goal=goal, reason=measured.reason(name), note=note)


def _at_goal_size(measured: Measured, name: str, what: str, size: int) -> Row:
    """In proportion, which counts the start of the process several times over."""
    took = measured.series(name, _wall)
    factor = GOAL_SIZE / size if size else 1.0
    scaled = Series.of(value * factor for value in took.values) if took is not None else None
    return Row(
        what=f"the same for {GOAL_SIZE // MEGA} MB, {what}",
        series=scaled,
        form=seconds,
        goal=_goal("10 s", 10.0),
        reason=measured.reason(name),
        note=f"not measured: {megabytes(size)} times {factor:.1f}" if factor > 1 and took is not None else "",
    )


def _ratio(measured: Measured, theirs: str, ours: str, what: str) -> Row:
    peer, mine = measured.series(theirs, _wall), measured.series(ours, _wall)
    return Row(
        what=what,
        series=times(peer, mine) if peer is not None and mine is not None else None,
        form=ratio,
        reason=measured.reason(theirs, ours),
    )


def _peak(measured: Measured, name: str) -> Row:
    return Row(
        what=f"peak memory: {name}",
        series=measured.series(name, lambda ran: float(ran.peak)),
        form=megabytes,
        goal=_goal("300 MB", 300 * MEGA),
        reason=measured.reason(name),
    )
