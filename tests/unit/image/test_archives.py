"""Images as one file: a tar of a layout, and archives that are compressed as a whole."""

import gzip
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
import zstandard

from builder.errors import ArchiveError, InputError, StoreError
from builder.image import spooled as module
from builder.image.layout import find_in_archive, read_archive, read_layout
from builder.image.spooled import spooled
from builder.packages.store import Store
from builder.progress import Silent
from tests.unit.image.foreign_layout import digest, plain_layout, tar_of

ONE = tar_of({"etc/passwd": b"root:x:0:0::/root:/bin/sh\n", "app/main": b"\0" * 5000})


def packed(folder: Path, path: Path, prefix: str = "") -> Path:
    """A tar of a layout, as `skopeo copy ... oci-archive:` and `docker buildx build -o type=oci` write it."""
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.add(file, prefix + str(file.relative_to(folder)), recursive=False)
    return path


def refused(path: Path, platform: str | None = None) -> str:
    with pytest.raises((ArchiveError, InputError)) as error:
        read_archive(path, platform)
    return str(error.value)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return plain_layout(tmp_path / "layout", ONE)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def temporary(store: Store) -> list[Path]:
    return list((store.root / "temp").iterdir())


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_tar_of_a_layout_is_the_same_image(layout: Path, tmp_path: Path, prefix: str) -> None:
    image, other = read_archive(packed(layout, tmp_path / "image.tar", prefix)), read_layout(layout)
    assert (image.digest, list(image.rootfs)) == (other.digest, list(other.rootfs))
    content = image.rootfs["app/main"].content
    assert content is not None
    assert content.open().read() == bytes(5000)


def test_a_blob_of_an_archive_is_held_to_its_digest(layout: Path, tmp_path: Path) -> None:
    blob = layout / "blobs/sha256" / digest(ONE)
    blob.write_bytes(ONE[:-1] + b"x")
    path = packed(layout, tmp_path / "image.tar")
    found = digest(ONE[:-1] + b"x")
    assert refused(path) == (
        f"'{path}': sha256:{digest(ONE)}: is damaged: its bytes are sha256:{found}; build the image again"
    )


def test_a_blob_of_another_size_is_refused(layout: Path, tmp_path: Path) -> None:
    (layout / "blobs/sha256" / digest(ONE)).write_bytes(ONE + b"more")
    path = packed(layout, tmp_path / "image.tar")
    assert refused(path) == (
        f"'{path}': sha256:{digest(ONE)}: is damaged: it has {len(ONE) + 4} bytes instead of {len(ONE)}; "
        "build the image again"
    )


def test_a_blob_that_is_no_file_or_leads_out_is_not_found(layout: Path, tmp_path: Path) -> None:
    blob = layout / "blobs/sha256" / digest(ONE)
    blob.unlink()
    blob.symlink_to("/etc/passwd")
    path = packed(layout, tmp_path / "image.tar")
    expected = f"'{path}': sha256:{digest(ONE)}: not found; is this the archive of an image?"
    assert refused(path) == expected
    blob.unlink()
    blob.mkdir()
    assert refused(packed(layout, path)) == expected


def test_an_archive_of_anything_else_is_told(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(ONE)
    assert refused(path) == f"'{path}': manifest.json: not found; is this the archive of an image?"


def test_an_archive_that_is_cut_off_is_told(layout: Path, tmp_path: Path) -> None:
    path = packed(layout, tmp_path / "image.tar")
    path.write_bytes(path.read_bytes()[: 2 * 512 + 100])  # within a header
    assert refused(path) == f"'{path}': is cut off after 1124 bytes"


def test_the_platform_of_several_is_chosen(layout: Path, tmp_path: Path) -> None:
    index = json.loads((layout / "index.json").read_text())
    one = index["manifests"][0]
    index["manifests"] = [
        {**one, "platform": {"os": "linux", "architecture": name}} for name in ("arm64", "unknown")
    ]
    (layout / "index.json").write_text(json.dumps(index))
    path = packed(layout, tmp_path / "image.tar")
    assert read_archive(path, "linux/arm64").rootfs
    assert refused(path, "linux/s390x") == (
        f"'{path}': holds no image for 'linux/s390x'; it holds 'linux/arm64'"
    )


def test_a_name_that_is_said_takes_the_place_of_a_copys_path(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_bytes(ONE)
    with pytest.raises(ArchiveError) as error:
        find_in_archive(path, shown="app:1.4")
    assert str(error.value) == "'app:1.4': manifest.json: not found; is this the archive of an image?"


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_compressed_archive_is_unpacked_for_the_block(
    layout: Path, tmp_path: Path, store: Store, pack
) -> None:
    plain = packed(layout, tmp_path / "plain.tar")
    path = tmp_path / "image.tar.packed"
    path.write_bytes(pack(plain.read_bytes()))
    with spooled(path, store, Silent()) as copy:
        assert temporary(store) == [copy]
        assert copy.read_bytes() == plain.read_bytes()
    assert temporary(store) == []


def test_an_archive_that_is_not_compressed_is_not_copied(layout: Path, tmp_path: Path, store: Store) -> None:
    path = packed(layout, tmp_path / "image.tar")
    with spooled(path, store, Silent()) as copy:
        assert copy == path
        assert temporary(store) == []


def test_nothing_is_left_where_the_block_fails(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "image.tar.gz"
    path.write_bytes(gzip.compress(ONE))
    with pytest.raises(KeyboardInterrupt), spooled(path, store, Silent()):
        raise KeyboardInterrupt
    assert temporary(store) == []


def spool(path: Path, store: Store) -> str:
    with pytest.raises((ArchiveError, StoreError)) as error, spooled(path, store, Silent()):
        pass
    assert temporary(store) == []
    return str(error.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(ONE)[:-20], "the archive: is cut off; build the image again"),
        (gzip.compress(ONE) + b"more", "the archive: more data follows its gzip data"),
        (gzip.compress(ONE)[:40] + b"\xff" * 300, "the archive: is damaged; build the image again"),
        (b"\xfd7zXZ\0...", "is compressed with xz; unpack it with unxz first"),
    ],
)
def test_a_damaged_archive_leaves_nothing_behind(
    tmp_path: Path, store: Store, data: bytes, reason: str
) -> None:
    path = tmp_path / "image.tar.gz"
    path.write_bytes(data)
    assert spool(path, store) == f"'{path}': {reason}"


def test_a_bomb_is_stopped_before_it_fills_the_disk(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HARMLESS", 1 << 20)
    path = tmp_path / "image.tar.gz"
    bomb = gzip.compress(bytes(64 << 20))
    path.write_bytes(bomb)
    assert spool(path, store) == (
        f"'{path}': unpacks to more than {200 * len(bomb)} bytes though it has only {len(bomb)}, "
        "as no image does that serves a purpose"
    )


def test_no_archive_may_fill_a_disk_however_large_it_is(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST", 1000)
    path = tmp_path / "image.tar.gz"
    path.write_bytes(gzip.compress(ONE))
    assert f"'{path}': unpacks to more than 1000 bytes" in spool(path, store)


def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "image.tar.gz"
    path.write_bytes(gzip.compress(ONE))

    @contextmanager
    def scratch(self: Store) -> Iterator[tuple[Path, BinaryIO]]:
        with Path("/dev/full").open("wb", buffering=0) as file:
            yield Path("/dev/full"), file

    monkeypatch.setattr(Store, "scratch", scratch)
    assert spool(path, store) == (
        f"no space left on the disk that holds '{store.root}'; free some room and run again"
    )


def test_newer_engines_save_a_layout_with_a_manifest_beside_it(layout: Path, tmp_path: Path) -> None:
    index = json.loads((layout / "index.json").read_text())
    blobs = layout / "blobs/sha256"
    manifest = json.loads((blobs / index["manifests"][0]["digest"].partition(":")[2]).read_text())
    names = [f"blobs/sha256/{one['digest'].partition(':')[2]}" for one in manifest["layers"]]
    config = f"blobs/sha256/{manifest['config']['digest'].partition(':')[2]}"
    (layout / "manifest.json").write_text(json.dumps([{"Config": config, "Layers": names}]))
    image = read_archive(packed(layout, tmp_path / "image.tar"))
    assert (image.digest, list(image.rootfs)) == ("", list(read_layout(layout).rootfs))
