"""Ctrl-C and `kill -9` in the middle of everything: the store stays whole and the next run just works.

Each moment is held still: by a mirror that falls silent, or by a lock of the store that the test holds.
"""

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from builder.packages.deb import RECORD
from tests.integration.cli.desk import APP, BASE, LIB, NOW, PATIENCE, RESULT, Desk, Running, newer

Moment = Callable[[Desk], Iterator[Running]]


def fetching_an_index(desk: Desk) -> Iterator[Running]:
    (desk.work / "images/app/image.lock.json").unlink()
    shutil.rmtree(desk.store)
    yield from downloading(desk, "trixie/InRelease", 10)


def fetching_a_package(desk: Desk) -> Iterator[Running]:
    shutil.rmtree(desk.store)
    yield from downloading(desk, ".deb", 500)


def downloading(desk: Desk, ending: str, size: int) -> Iterator[Running]:
    desk.mirror.hold[ending] = size
    running = desk.start("build", "app")
    assert desk.mirror.held.wait(PATIENCE)
    yield running
    desk.mirror.release()


def unpacking(desk: Desk) -> Iterator[Running]:
    shutil.rmtree(desk.store / "records" / RECORD)
    with desk.locked("blobs"):
        running = desk.start("build", "app", "--anew")
        running.until("unpacking")
        yield running


def compressing_a_layer(desk: Desk) -> Iterator[Running]:
    shutil.rmtree(desk.store / "records/layer-1")
    with desk.locked("blobs"):
        running = desk.start("build", "app", "--anew")
        running.until("writing layers")
        yield running


def writing_the_layout(desk: Desk) -> Iterator[Running]:
    with desk.locked(desk.folder_lock(f"{RESULT}/oci")):
        running = desk.start("build", "app")
        running.until("taking all but the image's own files from the build before")
        yield running


def writing_the_definition(desk: Desk) -> Iterator[Running]:
    shutil.rmtree(desk.work / RESULT)
    with desk.locked(desk.folder_lock(f"{RESULT}/definition")):
        running = desk.start("build", "app")
        deadline = time.monotonic() + PATIENCE
        while not (desk.work / RESULT / "oci/index.json").exists() and time.monotonic() < deadline:
            time.sleep(0.01)  # no event tells that a folder was renamed
        yield running


MOMENTS = [
    fetching_an_index, fetching_a_package, unpacking,
    compressing_a_layer, writing_the_layout, writing_the_definition,
]  # fmt: skip
held_at = pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.__name__)


def no_half_image(desk: Desk) -> None:
    """A folder that has its name is whole."""
    whole = {"oci": "index.json", "definition": "Dockerfile"}
    for name, last in whole.items():
        assert (desk.work / RESULT / name).exists() == (desk.work / RESULT / name / last).exists()


def the_next_run_works(desk: Desk, digest: str) -> None:
    ran = desk.run("build", "app")
    assert (ran.code, f"\ndigest    {digest}\n" in ran.out) == (0, True), ran.err
    assert desk.store_is_whole()


@held_at
def test_ctrl_c(used: Desk, digest: str, moment: Moment) -> None:
    with contextmanager(moment)(used) as running:
        running.signal(signal.SIGINT)
        ran = running.end()
    # CPython 3.11 ends by the signal itself where it came in the midst of `exec`, as of a dataclass that was
    # just imported, even though it was handled; a shell calls both 130
    assert ran.code in (130, -signal.SIGINT)
    assert ran.out == ""
    assert ran.err.endswith("\ntemper: interrupted; nothing half-made was left\n"), ran.err
    assert "Traceback" not in ran.err
    assert used.half_made() == []
    no_half_image(used)
    the_next_run_works(used, digest)


@held_at
def test_kill_9(used: Desk, digest: str, moment: Moment) -> None:
    with contextmanager(moment)(used) as running:
        running.signal(signal.SIGKILL)
        assert running.end().code == -signal.SIGKILL
    no_half_image(used)
    the_next_run_works(used, digest)
    assert [path for path in used.half_made() if not path.startswith("store/temp/")] == []


def test_what_a_kill_in_the_middle_of_renaming_left_is_swept(used: Desk, digest: str) -> None:
    result = used.work / RESULT
    (result / "oci").rename(result / ".oci.old")
    (result / ".oci.partial/blobs").mkdir(parents=True)
    (result / ".report.json.partial").write_text("{")
    (used.work / "images/app/.image.lock.json.partial").write_text("{")
    the_next_run_works(used, digest)
    used.published([BASE, newer(LIB, "2.1"), APP], date=NOW + 60)
    assert used.run("lock", "app", "--upgrade").code == 0
    assert used.half_made() == []


def test_a_polite_kill_is_like_ctrl_c(used: Desk) -> None:
    with contextmanager(unpacking)(used) as running:
        running.signal(signal.SIGTERM)
        ran = running.end()
    assert ran.code in (130, -signal.SIGINT)  # as above
    assert ran.out == ""
    assert ran.err.endswith("temper: interrupted; nothing half-made was left\n")
    assert used.half_made() == []
