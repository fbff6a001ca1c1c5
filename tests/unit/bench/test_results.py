"""The page as a whole, and what is counted for it."""

import io
import tarfile

from bench import subjects
from bench.clock import Ran
from bench.peers import dockerfile
from bench.results import Findings, page
from bench.rounds import Measured
from bench.sizes import Size, size_of


def ran(seconds: float) -> Ran:
    return Ran(seconds=seconds, cpu=seconds / 2, peak=70_000_000)


SIZE = Size(unpacked=42_000_000, compressed=15_000_000, packages=26, files=1400, executables=21, set_id=0)


def findings(**runs: list[Ran]) -> Findings:
    names = {
        "warm": subjects.WARM,
        "extract": subjects.EXTRACT,
        "verify": subjects.VERIFY,
        "audit": subjects.AUDIT,
    }
    measured = Measured(
        runs={names[key]: value for key, value in runs.items()},
        missing={subjects.DOCKER: "docker is not installed"},
        noise=[0.1, 0.11],
    )
    return Findings(measured=measured, ours=SIZE, peer=None, checks=167, runs=2)


def line(text: str, begin: str) -> str:
    [found] = [line for line in text.splitlines() if line.startswith(f"| {begin} |")]
    return found


def test_the_page_sets_the_peers_beside_the_warm_build() -> None:
    text = page(findings(warm=[ran(0.5), ran(0.6)], extract=[ran(5.0), ran(6.0)]), {"python": "3.11.7"})
    assert line(text, "`mmdebstrap --variant=extract` / warm build") == (
        "| `mmdebstrap --variant=extract` / warm build | 10.0 x |  | >= 6 x | reached |  |"
    )
    assert "* python: 3.11.7\n* runs: 2 rounds of everything in turn" in text


def test_the_page_says_what_was_not_measured() -> None:
    text = page(findings(warm=[ran(0.5)]), {})
    assert line(text, "`docker build` / build and load") == (
        "| `docker build` / build and load | not measured: docker is not installed |  |  |  |  |"
    )
    assert line(text, "minbase and apt") == "| minbase and apt | not measured |  |  |  |  |  |"


def test_the_live_suite_is_verify_less_audit() -> None:
    text = page(findings(verify=[ran(4.0), ran(5.0)], audit=[ran(1.0), ran(1.5)]), {})
    row = "live suite: `temper verify` less `temper audit`"
    assert line(text, row) == f"| {row} | 3.25 s | 3.00 s to 3.50 s | <= 4 s | reached |  |"
    assert line(text, "live checks passed") == "| live checks passed | 167 |  | >= 60 | reached |  |"


def test_live_checks_without_a_live_run_are_not_measured() -> None:
    assert line(page(findings(warm=[ran(1.0)]), {}), "live checks passed") == (
        "| live checks passed | not measured: not asked for |  | >= 60 | not measured |  |"
    )


def test_a_live_test_that_proves_two_controls_counts_once() -> None:
    passed, failed = {"name": "a", "outcome": "passed"}, {"name": "b", "outcome": "failed"}
    report = {"suites": [failed], "controls": [{"checks": [passed]}, {"checks": [passed, failed]}]}
    assert subjects.passed_checks(report) == {"a"}


def member(name: str, size: int, mode: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.type = size, mode, kind
    return info


def test_files_are_counted_and_links_and_folders_are_not() -> None:
    members = [
        member("./usr", 0, 0o755, tarfile.DIRTYPE),
        member("./usr/su", 10, 0o4755),
        member("./usr/hard", 0, 0o4755, tarfile.LNKTYPE),
        member("./usr/data", 7, 0o644),
    ]
    assert size_of(members, 5, 3) == Size(
        unpacked=17, compressed=5, packages=3, files=2, executables=1, set_id=1
    )


def test_the_peers_dockerfile_is_what_most_people_write() -> None:
    text = dockerfile(("python3.13", "tzdata"))
    assert io.StringIO(text).readline() == "FROM temper-bench-base\n"
    assert "apt-get install -y --no-install-recommends python3.13 tzdata \\\n" in text


def test_publishing_what_is_there_has_a_goal() -> None:
    found = findings()
    found.measured.runs[subjects.PUBLISH] = [ran(0.8), ran(0.9)]
    row = "publish of `python` to a registry on loopback that has its layers"
    assert line(page(found, {}), row) == (
        f"| {row} | 850 ms | 800 ms to 900 ms | <= 1 s | reached | 425 ms of processor time |"
    )
