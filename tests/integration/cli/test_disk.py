"""Disks that are full, read-only or not ours."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.cli.desk import LOCK_FILE, Desk

Mount = Callable[..., None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """`mount(folder, "64k")`: a small disk; again: another size for it. Skips where that is not allowed."""
    mounted: list[Path] = []

    def small(folder: Path, size: str) -> None:
        options = f"{'remount,' * (folder in mounted)}size={size},mode=0700"
        folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "none", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this user may not mount a file system: {done.stderr.strip()}")
        mounted.append(folder)

    yield small
    for folder in dict.fromkeys(mounted):
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_the_store_is_full_here_and_there(desk: Desk, mount: Mount, digest: str) -> None:
    """Each run comes further than the one before, since what arrived stays."""
    full = f"temper: no space left on the disk that holds '{desk.store}'; free some room and run again\n"
    for size in ("8k", "48k", "96k", "136k"):
        mount(desk.store, size)
        assert desk.refused("build", "app") == (3, full)
        assert [path for path in desk.half_made() if not path.startswith("store/parts/")] == []
        assert not (desk.work / "build").exists()
        assert desk.store_is_whole()
    mount(desk.store, "8m")
    ran = desk.run("build", "app")
    assert (ran.code, f"\ndigest    {digest}\n" in ran.out) == (0, True)


def test_there_is_no_room_for_the_layers(desk: Desk, mount: Mount, digest: str) -> None:
    """Everything is downloaded and unpacked, and then the disk is full."""
    mount(desk.store, "8m")
    assert desk.run("build", "app").code == 0
    layers = [*(desk.store / "records/layer-1").iterdir()]
    for record in layers:
        blob = json.loads(record.read_bytes().partition(b"\n")[2])[0].removeprefix("sha256:")
        (desk.store / "blobs/sha256" / blob).unlink()
        record.unlink()
    assert layers
    before = (desk.work / "build/app-hardened-amd64/oci/index.json").read_text()
    free = os.statvfs(desk.store)
    (desk.store / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize - (4 << 10)))
    full = f"temper: no space left on the disk that holds '{desk.store}'; free some room and run again\n"
    assert desk.refused("build", "app") == (3, full)
    assert desk.half_made() == []
    assert desk.store_is_whole()
    assert (desk.work / "build/app-hardened-amd64/oci/index.json").read_text() == before
    (desk.store / "filler").unlink()
    ran = desk.run("build", "app")
    assert (ran.code, f"\ndigest    {digest}\n" in ran.out) == (0, True)


def test_the_disk_of_the_result_is_full(used: Desk, mount: Mount, digest: str) -> None:
    """The result of before stays as it is."""
    folder = used.work / "out"
    mount(folder, "256k")
    assert used.run("build", "app", "-o", "out/app").code == 0
    filler = folder / "filler"
    free = os.statvfs(folder)
    filler.write_bytes(bytes(free.f_bavail * free.f_frsize))
    assert used.refused("build", "app", "-o", "out/app") == (
        3,
        (
            "temper: 'out/app/oci': can't be written: no space left on device; "
            "free room or choose another folder\n"
        ),
    )
    assert used.half_made() == []
    assert digest in (folder / "app/oci/index.json").read_text()
    filler.unlink()
    assert used.run("build", "app", "-o", "out/app").code == 0


def test_a_disk_that_is_read_only(used: Desk, mount: Mount) -> None:
    mount(used.work / "out", "64k")
    subprocess.run(["mount", "-o", "remount,ro", used.work / "out"], check=True)
    assert used.refused("build", "app", "-o", "out/app") == (
        3,
        (
            "temper: 'out/app/oci': can't be written: read-only file system; "
            "free room or choose another folder\n"
        ),
    )


def test_the_folder_holds_something_else(used: Desk) -> None:
    used.write("mine/oci/letter.txt", "dear")
    assert used.refused("build", "app", "-o", "mine") == (
        2,
        "temper: 'mine/oci': holds something else ('oci-layout' is not there); choose another folder\n",
    )
    assert (used.work / "mine/oci/letter.txt").read_text() == "dear"


def test_the_store_is_a_file(used: Desk) -> None:
    used.write("store.yaml", "")
    path = used.work / "store.yaml"
    assert used.refused("build", "app", env={"TEMPER_STORE": str(path)}) == (
        3,
        f"temper: '{path}': a file stands where the store needs a folder; remove it or set TEMPER_STORE\n",
    )


def test_the_lock_can_not_be_written(desk: Desk) -> None:
    (desk.work / LOCK_FILE).mkdir()
    assert desk.refused("lock", "app") == (
        3,
        (
            f"temper: {LOCK_FILE}: the lock can't be written: is a directory; "
            "free room, or mend the permissions\n"
        ),
    )
    assert desk.half_made() == []
