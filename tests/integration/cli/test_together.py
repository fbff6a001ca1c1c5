"""Two builds at once: they share the work, and neither sees the other's half."""

import hashlib
import os

import pytest

from tests.integration.cli.desk import LIB, PATIENCE, RESULT, Desk


@pytest.mark.parametrize("folders", [("one", "one"), ("one", "two")], ids=["one folder", "two folders"])
def test_two_builds_share_the_downloads(locked: Desk, digest: str, folders: tuple[str, str]) -> None:
    locked.mirror.hold[LIB.path] = 20_000
    first = locked.start("build", "app", "-o", folders[0])
    assert locked.mirror.held.wait(PATIENCE)
    second = locked.start("build", "app", "-o", folders[1])
    second.until("note: another temper is fetching the same files; waiting for it")
    locked.mirror.release()
    for ran in (first.end(), second.end()):
        assert (ran.code, f"\ndigest    {digest}\n" in ran.out) == (0, True), ran.err
    assert locked.mirror.asked_for(LIB.path) == [""]
    assert {path.name for path in (locked.work / folders[1]).iterdir()} == {
        "oci",
        "definition",
        "provenance.json",
        "report.json",
        "sbom",
    }
    assert locked.store_is_whole()
    assert locked.half_made() == []


def test_a_second_one_waits_for_the_folder(used: Desk, digest: str) -> None:
    name = hashlib.sha256(os.fsencode(used.work / RESULT)).hexdigest()
    with used.locked(f"result-{name}"):
        running = used.start("build", "app")
        running.until(f"note: another temper is at work in {RESULT}; waiting for it")
    ran = running.end()
    assert (ran.code, f"\ndigest    {digest}\n" in ran.out) == (0, True)


def test_two_that_lock(desk: Desk) -> None:
    """Both begin before either has a lock to find."""
    desk.mirror.hold["trixie/InRelease"] = 10
    both = [desk.start("lock", "app") for _ in range(2)]
    assert desk.mirror.held.wait(PATIENCE)
    desk.mirror.release()
    assert [running.end().code for running in both] == [0, 0]
    assert desk.half_made() == []
    assert desk.run("build", "app", "--locked").code == 0
