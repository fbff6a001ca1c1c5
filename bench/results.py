"""From what was measured to the page that people read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench import subjects
from bench.clock import Ran
from bench.cold_rows import COLD_TEXT, cold_rows
from bench.foreign_rows import FOREIGN_TEXT, foreign_rows
from bench.rounds import Measured
from bench.sizes import Size
from bench.stats import Series, times
from bench.table import MEGA, Goal, Row, megabytes, number, ratio, rows_text, seconds, table


def wall(ran: Ran) -> float:
    return ran.seconds


def cpu(ran: Ran) -> float:
    return ran.cpu


def peak(ran: Ran) -> float:
    return float(ran.peak)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    measured: Measured
    ours: Size | None
    peer: Size | None
    checks: int
    runs: int
    foreign: tuple[int, int] = (0, 0)
    """Bytes of the small and of the large foreign image."""
    cold: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Image and form -> bytes of the images that are started."""


def page(findings: Findings, versions: Mapping[str, str]) -> str:
    """The whole of `results.md`."""
    parts = (
        "# Measurements",
        "Written by `make bench`. No test asserts any of this; the goals are those of the design.",
        "\n".join(f"* {name}: {value}" for name, value in {**versions, **circumstances(findings)}.items()),
        "## Goals",
        rows_text(goals(findings)).strip(),
        "## Beside the peers",
        _PEERS,
        rows_text(peers(findings.measured)).strip(),
        "## Images that others built",
        FOREIGN_TEXT,
        rows_text(foreign_rows(findings.measured, *findings.foreign)).strip(),
        "## Cold start",
        COLD_TEXT,
        rows_text(cold_rows(findings.measured, findings.cold)).strip(),
        "## Sizes",
        _SIZES,
        sizes(findings.ours, findings.peer).strip(),
    )
    return "\n\n".join(parts) + "\n"


def circumstances(findings: Findings) -> dict[str, str]:
    noise = Series.of(findings.measured.noise)
    return {
        "runs": f"{findings.runs} rounds of everything in turn, after one that isn't counted; medians",
        "noise": f"a fixed loop before every run took {seconds(noise.low)} to {seconds(noise.high)}, median "
        f"{seconds(noise.median)}; differences smaller than that spread of {noise.spread:.0%} say nothing",
    }


_PEERS = """\
The same packages from the same mirror on loopback that had every file at hand, so that nobody's downloads
count. Ratios are taken round by round: how many times longer than Temper's whole process the peer took.
mmdebstrap unpacks every package anew each time and writes an uncompressed archive of the files. Temper's warm
build (`--anew`) finds unpacked packages and finished layers by their content, hardens, audits, and writes an
OCI layout; `layers anew` writes and compresses the layers again, as after a change of the profile. The
engine's own processor time isn't in that of `docker build`."""

_SIZES = """\
`minbase and apt` is Debian's smallest installable base with the same packages installed by apt.
Compressed: Temper's layers as they are, the other by gzip at its default level."""


def goals(findings: Findings) -> list[Row]:
    measured = findings.measured
    return [
        _time(measured, subjects.HELP, "`temper --help`", Goal(limit=0.15, text="<= 150 ms")),
        _time(
            measured,
            subjects.WARM,
            "warm build of `python`: composed, hardened, audited; layers known by content",
            Goal(limit=0.7, text="<= 0.7 s"),
        ),
        _time(measured, subjects.ANEW, "the same, layers written and compressed anew"),
        _time(
            measured,
            subjects.SETTLED,
            "warm build of `python`, unchanged: taken from the build before",
            Goal(limit=0.7, text="<= 0.7 s"),
        ),
        _loaded(measured, subjects.LOADED_ANEW, "warm build loaded into Docker, image removed before"),
        _loaded(measured, subjects.LOADED_AGAIN, "the same, image already there"),
        _time(measured, subjects.LOADED_ALONE, "`docker load` alone of the same image, removed before"),
        _time(
            measured,
            subjects.CHANGED,
            "`onnx-inference` after a change of one file",
            Goal(limit=1.0, text="<= 1 s"),
        ),
        _loaded(measured, subjects.LOADED_CHANGED, "the same, loaded into Docker where the one before is"),
        _time(measured, subjects.UNCHANGED, "`onnx-inference` unchanged"),
        _time(measured, subjects.INSIDE, "audit of `python`: the stage", Goal(limit=0.5, text="<= 0.5 s")),
        _time(measured, subjects.AUDIT, "audit of `python`: `temper audit`, whole process"),
        _time(
            measured,
            subjects.PUBLISH,
            "publish of `python` to a registry on loopback that has its layers",
            Goal(limit=1.0, text="<= 1 s"),
        ),
        *_live(findings),
        *(_peak(measured, name) for name in (subjects.ANEW, subjects.UNCHANGED, subjects.AUDIT)),
        *_size_goals(findings.ours),
    ]


def _time(measured: Measured, name: str, what: str, goal: Goal | None = None) -> Row:
    used = measured.series(name, cpu)
    return Row(
        what=what,
        series=measured.series(name, wall),
        form=seconds,
        goal=goal,
        reason=measured.reason(name),
        note=f"{seconds(used.median)} of processor time" if used is not None else "",
    )


def _loaded(measured: Measured, name: str, what: str) -> Row:
    return _time(measured, name, what, Goal(limit=2.0, text="<= 2 s"))


def _live(findings: Findings) -> tuple[Row, Row]:
    measured = findings.measured
    verify, audit = (measured.series(name, wall) for name in (subjects.VERIFY, subjects.AUDIT))
    both = verify is not None and audit is not None
    reason = measured.reason(subjects.VERIFY, subjects.AUDIT)
    took = verify.minus(audit) if verify is not None and audit is not None else None
    checks = Series.of([findings.checks]) if both else None
    return (
        Row(
            what="live suite: `temper verify` less `temper audit`",
            series=took,
            form=seconds,
            goal=Goal(limit=4.0, text="<= 4 s"),
            reason=reason,
        ),
        Row(
            what="live checks passed",
            series=checks,
            form=number,
            goal=Goal(limit=60, text=">= 60", at_least=True),
            reason=reason,
        ),
    )


def _peak(measured: Measured, name: str) -> Row:
    return Row(
        what=f"peak memory: {name}",
        series=measured.series(name, peak),
        form=megabytes,
        goal=Goal(limit=200 * MEGA, text="<= 200 MB"),
        reason=measured.reason(name),
    )


def _size_goals(size: Size | None) -> list[Row]:
    wanted = (
        ("`python` unpacked", "unpacked", megabytes, Goal(limit=45 * MEGA, text="<= 45 MB")),
        ("packages", "packages", number, Goal(limit=28, text="<= 28")),
        ("setuid and setgid files", "set_id", number, Goal(limit=0, text="0")),
    )
    return [
        Row(
            what=what,
            series=Series.of([getattr(size, field)]) if size is not None else None,
            form=form,
            goal=goal,
            reason="no image was built",
        )
        for what, field, form, goal in wanted
    ]


_AGAINST = (
    (subjects.EXTRACT, "`mmdebstrap --variant=extract`", Goal(limit=6, text=">= 6 x", at_least=True)),
    (subjects.MINBASE, "minbase + apt", Goal(limit=20, text=">= 20 x", at_least=True)),
    (subjects.DOCKER, "`docker build` with `apt-get install`", None),
)


def peers(measured: Measured) -> list[Row]:
    return [
        *(_time(measured, name, what) for name, what, _ in _AGAINST),
        *(
            _ratio(measured, name, subjects.WARM, f"{what} / warm build", goal)
            for name, what, goal in _AGAINST
        ),
        *(_ratio(measured, name, subjects.ANEW, f"{what} / layers anew") for name, what, _ in _AGAINST),
        _ratio(measured, subjects.DOCKER, subjects.LOADED_ANEW, "`docker build` / build and load"),
    ]


def _ratio(measured: Measured, theirs: str, ours: str, what: str, goal: Goal | None = None) -> Row:
    peer, mine = measured.series(theirs, wall), measured.series(ours, wall)
    return Row(
        what=what,
        series=times(peer, mine) if peer is not None and mine is not None else None,
        form=ratio,
        goal=goal,
        reason=measured.reason(theirs, ours),
    )


def sizes(ours: Size | None, peer: Size | None) -> str:
    head = ("", "unpacked", "compressed", "packages", "files", "executables", "setuid or setgid")
    return table(head, [_size_cells("`python` hardened", ours), _size_cells("minbase and apt", peer)])


def _size_cells(what: str, size: Size | None) -> tuple[str, ...]:
    if size is None:
        return (what, "not measured", *("",) * 5)
    counts: Sequence[int] = (size.packages, size.files, size.executables, size.set_id)
    return (what, megabytes(size.unpacked), megabytes(size.compressed), *(number(count) for count in counts))
