"""What is remembered of a layer is what reading it would tell; and nothing else is ever believed."""

import gc
import gzip
import io
import os
import shutil
import tarfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.errors import ArchiveError
from builder.image import memory, reading
from builder.image.assemble import assemble
from builder.image.hashing import Hashing
from builder.image.layout import read_layout
from builder.image.memory import Memory, kind
from builder.image.streams import Packing, Span
from builder.model.image import Image
from builder.model.tree import Bytes, Content, Entry, Facts, Owner
from builder.packages.store import Store
from builder.rootfs import archive
from builder.rootfs.members import Members
from tests.unit.image.foreign_layout import tar_of, write_layout

KEY = b"-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n"


@pytest.fixture
def oci(image: Image, store: Store, tmp_path: Path) -> Path:
    key = Bytes(KEY)
    tree = image.rootfs.with_entries([image.rootfs["app/data"].replace(path="app/key", content=key)])
    assemble(image.replace(rootfs=tree), store, tmp_path / "oci", name="x")
    return tmp_path / "oci"


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The blobs that are read from their first byte to their last."""
    read: list[str] = []

    class Counting(reading.PackedStream):
        def __init__(self, span: Span, packing: Packing, hashing: Hashing) -> None:
            read.append(span.name)
            super().__init__(span, packing, hashing)

    monkeypatch.setattr(reading, "PackedStream", Counting)
    return read


def seen(content: Content) -> tuple[int, bytes, str, Facts]:
    with content.open() as stream:
        return content.size, stream.read(), content.sha256, content.facts


def remembered(entry: Entry) -> tuple[object, ...]:
    fields = (entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime, entry.target)
    return (*fields, entry.xattrs, entry.owner, entry.content and seen(entry.content)[:3])


def test_texts_lie_in_the_store_from_the_first_reading_on(oci: Path, store: Store) -> None:
    first = read_layout(oci, memory=Memory(store=store))
    again = read_layout(oci, memory=Memory(store=store))
    assert [*map(remembered, first.rootfs.values())] == [*map(remembered, again.rootfs.values())]
    assert not [one.path for one in first.rootfs.values() if isinstance(one.content, Bytes)]
    with first.rootfs["app/key"].content.open() as stream:  # type: ignore[union-attr]
        assert stream.read() == KEY


def test_what_was_read_is_not_kept_alive_by_its_reader(oci: Path, store: Store) -> None:
    """No cycles: while layers are read nobody collects them."""
    made: list[weakref.ref[Members]] = []

    class Watched(Members):
        def __init__(self, *words: Any) -> None:
            made.append(weakref.ref(self))
            super().__init__(*words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "Members", Watched)
        gc.disable()
        try:
            read_layout(oci, memory=Memory(store=store))
            assert len(made) == 4
            assert not [one for one in made if one() is not None]
        finally:
            gc.enable()


def test_a_layer_is_read_once_and_then_told_the_same(oci: Path, store: Store, streams: list[str]) -> None:
    plain = read_layout(oci)
    assert len(streams) == 4
    read_layout(oci, memory=Memory(store=store))
    assert len(streams) == 8
    again = read_layout(oci, memory=Memory(store=store))
    assert len(streams) == 8
    assert (again.config, again.digest, again.size, again.history) == (
        plain.config,
        plain.digest,
        plain.size,
        plain.history,
    )
    for mine, theirs in zip(again.layers, plain.layers, strict=True):
        assert (mine.name, mine.digest, mine.diff_id, mine.whiteouts) == (
            theirs.name,
            theirs.digest,
            theirs.diff_id,
            theirs.whiteouts,
        )
    assert [remembered(one) for one in again.rootfs.values()] == [
        remembered(one) for one in plain.rootfs.values()
    ]


@pytest.mark.parametrize("believe", [None, 0])
def test_a_layer_that_nobody_has_read_is_read_though_it_is_believed(
    oci: Path, store: Store, streams: list[str], believe: int | None
) -> None:
    """And hashed: that it is the store's own says nothing of what it holds."""
    plain = read_layout(oci)
    streams.clear()
    for _ in range(2):
        found = read_layout(oci, memory=Memory(store=store, believe=believe))
        assert [layer.diff_id for layer in found.layers] == [layer.diff_id for layer in plain.layers]
    assert len(streams) == 4


def test_empty_files_in_two_layers_are_no_hard_links(
    image: Image, store: Store, tmp_path: Path, streams: list[str]
) -> None:
    tree = image.rootfs
    empty = [one.replace(path=f"{one.path}.empty", content=Bytes(b"")) for one in tree.files()]
    assemble(image.replace(rootfs=tree.with_entries(empty)), store, tmp_path / "empty", name="x")
    for _ in range(2):
        found = read_layout(tmp_path / "empty", memory=Memory(store=store))
    assert len(found.layers) > 1
    assert len(streams) == len(found.layers)


def test_what_a_file_looks_like_is_remembered(oci: Path, store: Store) -> None:
    read_layout(oci, memory=Memory(store=store))
    tree = read_layout(oci, memory=Memory(store=store)).rootfs
    assert tree["app/key"].content.facts == Facts(look="a private key")
    assert tree["app/server.py"].content.facts == Facts(look="")


def test_only_the_bytes_that_were_read_are_believed(oci: Path, store: Store, streams: list[str]) -> None:
    read_layout(oci, memory=Memory(store=store))
    layer = read_layout(oci).layers[0]
    path = oci / "blobs" / "sha256" / layer.digest.removeprefix("sha256:")
    data = bytearray(path.read_bytes())
    path.unlink()  # it is the store's own file, which stays whole
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    for believe in (None, 0):
        with pytest.raises(ArchiveError, match="is damaged"):
            read_layout(oci, memory=Memory(store=store, believe=believe))


def test_damage_that_keeps_the_time_is_found_by_whoever_asks(oci: Path, store: Store) -> None:
    read_layout(oci, memory=Memory(store=store))
    layer = read_layout(oci).layers[0]
    path = oci / "blobs" / "sha256" / layer.digest.removeprefix("sha256:")
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(before.st_size // 2)
        byte = file.read(1)
        file.seek(before.st_size // 2)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ArchiveError, match="is damaged"):
        read_layout(oci, memory=Memory(store=store))


def test_a_copy_of_the_layout_is_hashed_and_known(
    oci: Path, store: Store, tmp_path: Path, streams: list[str]
) -> None:
    read_layout(oci, memory=Memory(store=store))
    shutil.copytree(oci, tmp_path / "copy")
    streams.clear()
    read_layout(tmp_path / "copy", memory=Memory(store=store, believe=0))
    assert streams == []


def _without_texts(store: Store) -> None:
    for path in (store.root / "blobs" / "sha256").iterdir():
        if path.read_bytes()[:2] != b"\x1f\x8b":
            path.unlink()


def _damaged_records(store: Store) -> None:
    for path in (store.root / "records" / kind()).iterdir():
        path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize("lose", [_without_texts, _damaged_records])
def test_a_store_that_lost_something_reads_again(
    oci: Path, store: Store, streams: list[str], lose: Callable[[Store], None]
) -> None:
    read_layout(oci, memory=Memory(store=store))
    lose(store)
    streams.clear()
    read_layout(oci, memory=Memory(store=store))
    assert len(streams) == 4
    read_layout(oci, memory=Memory(store=store))
    assert len(streams) == 4


def test_a_layer_with_problems_is_read_every_time(tmp_path: Path, store: Store, streams: list[str]) -> None:
    tar = tar_of({"a": b"1", "../b": b"2"})
    folder = write_layout(tmp_path / "oci", [(gzip.compress(tar), tar)])
    for _ in range(2):
        image = read_layout(folder, memory=Memory(store=store))
        assert len(image.layers[0].problems) == 1
    assert len(streams) == 2


def test_a_layer_that_borrows_from_below_is_read_every_time(
    tmp_path: Path, store: Store, streams: list[str]
) -> None:
    """What its hard link means depends on the layers that it lies on."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        link = tarfile.TarInfo("b")
        link.type, link.linkname = tarfile.LNKTYPE, "a"
        archive.addfile(link)
    borrowing = out.getvalue()
    for data in (b"one", b"two"):
        base = tar_of({"a": data})
        folder = write_layout(
            tmp_path / data.decode(), [(gzip.compress(tar), tar) for tar in (base, borrowing)]
        )
        for _ in range(2):
            image = read_layout(folder, memory=Memory(store=store))
            assert seen(image.rootfs["b"].content)[1] == data
    assert len(streams) == 6  # each base once, what borrows every time


def test_the_owner_is_told_by_the_config_not_by_memory(tmp_path: Path, store: Store) -> None:
    tar = tar_of({"a": b"1"})
    for step in ("RUN one", "RUN two"):
        folder = write_layout(tmp_path / step[-3:], [(gzip.compress(tar, mtime=0), tar)], steps=[step])
        image = read_layout(folder, memory=Memory(store=store))
        assert image.rootfs["a"].owner == Owner(kind="layer", name=image.layers[0].name)


def test_a_temper_that_learns_something_else_reads_again(
    oci: Path, store: Store, streams: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new pattern of secrets must not be answered by what an older search found."""
    read_layout(oci, memory=Memory(store=store))
    before = kind()
    changed = tmp_path / "secrets.py"
    changed.write_bytes(Path(memory.secrets.__file__).read_bytes() + b"# a new pattern\n")
    monkeypatch.setattr(memory.secrets, "__file__", str(changed))
    kind.cache_clear()
    try:
        assert kind() != before
        streams.clear()
        read_layout(oci, memory=Memory(store=store))
        assert len(streams) == 4
    finally:
        kind.cache_clear()


def test_a_blob_that_cannot_be_opened_is_told_as_ever(
    oci: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_layout(oci, memory=Memory(store=store))
    opened = Path.open

    def refused(path: Path, *rest: object, **named: object):
        if path.parent.name == "sha256" and path.is_relative_to(oci) and "b" in str(rest[0] if rest else ""):
            raise PermissionError(13, "Permission denied")
        return opened(path, *rest, **named)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(ArchiveError, match="can't be read: permission denied"):
        read_layout(oci, memory=Memory(store=store))
