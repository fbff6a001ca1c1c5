"""A byte that is not what it was: on the mirror, in the store, in a lock, in the result."""

import hashlib
import os
from pathlib import Path

import pytest

from tests.integration.archive import flip
from tests.integration.cli.desk import LIB, LOCK_FILE, NOW, RESULT, Desk

MEND = "restore it from version control, or delete it and run `temper lock`"
DEB = LIB.path.rpartition("/")[2]


def flip_unseen(path: Path, offset: int = -1) -> None:
    """As a failing disk does it: the times stay."""
    status = path.stat()
    flip(path, offset)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def builds(desk: Desk, digest: str, *arguments: str) -> None:
    ran = desk.run("build", "app", *arguments)
    assert (ran.code, f"\ndigest    {digest}\n" in ran.out) == (0, True), ran.err
    assert desk.store_is_whole()
    assert desk.half_made() == []


def test_a_package_on_the_mirror(locked: Desk, digest: str) -> None:
    flip(locked.archive.file(LIB))
    data = locked.archive.file(LIB).read_bytes()
    found, wanted = hashlib.sha256(data).hexdigest(), hashlib.sha256(LIB.build()).hexdigest()
    assert locked.refused("build", "app") == (
        3,
        (
            f"temper: {DEB}: its sha256 is {found}, not {wanted} ('{locked.mirror.url}/debian/{LIB.path}'); "
            "the copy there is damaged or another file: use another mirror\n"
        ),
    )
    assert locked.here() == [LOCK_FILE]
    assert locked.half_made() == []
    flip(locked.archive.file(LIB))
    builds(locked, digest)


def test_a_package_in_the_store_is_fetched_again(used: Desk, digest: str) -> None:
    flip(used.blob(LIB.build()))
    used.mirror.asked.clear()
    builds(used, digest)
    assert [path for path, _ in used.mirror.asked] == [f"/debian/{LIB.path}"]


def test_a_package_in_the_store_without_a_network(used: Desk, digest: str) -> None:
    flip(used.blob(LIB.build()))
    assert used.refused("build", "app", "--offline") == (
        3,
        (
            f"temper: --offline: the store '{used.store}' lacks 1 of the locked files: {DEB}; "
            "run once without --offline\n"
        ),
    )
    builds(used, digest)


def test_every_file_of_the_store_at_once(used: Desk, digest: str) -> None:
    for path in used.store.rglob("*"):
        if path.is_file() and path.stat().st_size:
            flip(path)
    ran = used.run("build", "app")
    assert (ran.code, f"\ndigest    {digest}\n" in ran.out) == (0, True), ran.err


def test_a_layer_in_the_store_that_rotted_unseen(used: Desk, digest: str) -> None:
    layer = used.work / RESULT / "definition/layers/01-system.tar.gz"
    name = hashlib.sha256(layer.read_bytes()).hexdigest()
    flip_unseen(used.store / "blobs/sha256" / name)
    copy = f"{RESULT}/oci/blobs/sha256/{name}"
    assert used.refused("build", "app") == (
        3,
        f"temper: '{copy}': sha256:{name}: is damaged; build the image again\n",
    )
    builds(used, digest)


def test_unpacked_data_in_the_store_that_rotted_unseen(used: Desk, digest: str) -> None:
    for record in (used.store / "records/layer-1").iterdir():
        record.unlink()
    noise = LIB.files["usr/share/lib/noise"]
    packed = (b"!<arch>", b"\x1f\x8b")
    for path in (used.store / "blobs/sha256").iterdir():
        data = path.read_bytes()
        if noise in data and not data.startswith(packed):
            flip_unseen(path, data.index(noise))
            spoilt = path
    assert used.refused("build", "app", "--anew") == (
        3,
        (
            f"temper: usr/share/lib/noise: damaged: '{spoilt}' is not what it was when it was verified; "
            "run the command again to get it anew\n"
        ),
    )
    builds(used, digest, "--anew")


def test_the_result(used: Desk, digest: str) -> None:
    blob = max((used.work / RESULT / "oci/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    flip(blob)
    assert used.refused("audit", "app") == (
        3,
        f"temper: '{blob.relative_to(used.work)}': sha256:{blob.name}: is damaged; build the image again\n",
    )
    builds(used, digest)


def test_a_lock_that_is_no_json_any_more(used: Desk) -> None:
    path = used.work / LOCK_FILE
    path.write_text(path.read_text().replace('"base":', '"base";'))
    assert used.refused("build", "app") == (
        2,
        f"temper: {LOCK_FILE}:2: is damaged: expecting ':' delimiter; {MEND}\n",
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"version": "2.0"', '"version": "3.0"'),
        ('"base-files"', '"base-filez"'),
        (f'"date": {NOW}', f'"date": {NOW + 1}'),
    ],
    ids=["version", "name", "date"],
)
def test_a_byte_in_a_lock(used: Desk, digest: str, old: str, new: str) -> None:
    """Still a lock by its form: another image would come of it, or another error much later."""
    path = used.work / LOCK_FILE
    sound = path.read_text()
    path.write_text(sound.replace(old, new))
    said = "is damaged, or was edited: its checksum doesn't match"
    assert used.refused("build", "app") == (2, f"temper: {LOCK_FILE}: {said}; {MEND}\n")
    path.write_text(sound)
    builds(used, digest)
