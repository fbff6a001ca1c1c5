import os
from pathlib import Path

import pytest

from builder.errors import StoreError
from builder.image.layers import content_key, layer_blob, split
from builder.model.image import Image, Layer
from builder.model.tree import Entry, Kind, Owner, Rootfs, Slice
from builder.packages.store import Store

LIMIT = 1_700_000_000


def test_packages_wheels_and_own_files_are_layers_of_their_own(image: Image) -> None:
    layers = {layer.name: set(layer.rootfs) for layer in split(image.rootfs)}
    assert list(layers) == ["system", "python", "app"]
    assert {"usr/bin/tool", "etc/shadow", "bin"} <= layers["system"]
    assert layers["app"] == {"app", "app/server.py", "app/data", "app/empty"}
    assert layers["python"] == {
        *("usr", "usr/local", "usr/local/lib", "usr/local/lib/python3.13"),
        *("usr/local/lib/python3.13/dist-packages", "usr/local/lib/python3.13/dist-packages/numpy.py"),
    }


def test_the_layers_together_are_the_tree(image: Image) -> None:
    entries = {path: entry for layer in split(image.rootfs) for path, entry in layer.rootfs.items()}
    assert entries == dict(image.rootfs)


def test_every_layer_brings_its_parents_as_the_tree_has_them(image: Image) -> None:
    for layer in split(image.rootfs):
        for path, entry in layer.rootfs.items():
            assert entry == image.rootfs[path]
            assert "/" not in path or path.rpartition("/")[0] in layer.rootfs


def test_a_new_folder_of_own_files_leaves_the_layers_below_alone(image: Image) -> None:
    own = next(entry for entry in image.rootfs.values() if entry.owner.kind == "file")
    more = image.rootfs.with_entries([own.replace(path="app/new/folder/x")])
    before, after = split(image.rootfs), split(more)
    assert [layer.rootfs for layer in before[:2]] == [layer.rootfs for layer in after[:2]]


def test_an_empty_layer_is_left_out() -> None:
    only = Rootfs.of([Entry(path="x", kind=Kind.FIFO, mode=0o600)])
    assert [layer.name for layer in split(only)] == ["system"]


def test_a_directory_that_nobody_brought_and_nothing_fills_is_kept() -> None:
    empty = Rootfs.of([Entry(path="mnt", kind=Kind.DIRECTORY, mode=0o755)])
    assert [set(layer.rootfs) for layer in split(empty)] == [{"mnt"}]


CHANGES = [
    {"mode": 0o600},
    {"uid": 1},
    {"gid": 1},
    {"mtime": 1},
    {"path": "y"},
    {"xattrs": (("a", b"b"),)},
    {"kind": Kind.SYMLINK, "target": "z"},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_the_key_of_a_layer_changes_with_everything_that_its_bytes_depend_on(change) -> None:
    entry = Entry(path="x", kind=Kind.FILE, mode=0o644)
    assert content_key([entry], LIMIT) != content_key([entry.replace(**change)], LIMIT)


def test_the_key_of_a_layer_does_not_change_with_the_owner_or_a_time_that_is_clamped() -> None:
    entry = Entry(path="x", kind=Kind.FILE, mode=0o644, mtime=LIMIT)
    other = entry.replace(mtime=LIMIT + 5, owner=Owner(kind="deb", name="other"))
    assert content_key([entry], LIMIT) == content_key([other], LIMIT)


def layer_of(store: Store, data: bytes) -> Layer:
    sha256 = store.put(data)
    content = Slice(path=store.blob(sha256), offset=0, size=len(data), sha256=sha256)
    entry = Entry(path="x", kind=Kind.FILE, mode=0o644, content=content)
    return Layer(name="system", rootfs=Rootfs.of([entry]))


def flip(path: Path, at: int = 0) -> None:
    """Changes a byte, leaving size and time as they were: what a dying disk does."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_an_unchanged_layer_is_found_without_reading_its_contents(store: Store) -> None:
    layer = layer_of(store, b"contents")
    blob = layer_blob(layer, store, LIMIT)
    layer.rootfs["x"].content.path.unlink()
    assert layer_blob(layer, store, LIMIT) == blob


def test_a_layer_whose_blob_was_touched_is_made_again(store: Store) -> None:
    layer = layer_of(store, b"contents")
    blob = layer_blob(layer, store, LIMIT)
    path = store.blob(blob.digest.removeprefix("sha256:"))
    good = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(b"x" + good[1:])
    assert layer_blob(layer, store, LIMIT) == blob
    assert path.read_bytes() == good


def test_a_flipped_byte_in_the_store_stops_the_build_and_is_gone_at_the_next(store: Store) -> None:
    layer = layer_of(store, b"contents")
    path = layer.rootfs["x"].content.path
    flip(path)
    with pytest.raises(StoreError) as error:
        layer_blob(layer, store, LIMIT)
    assert str(error.value) == (
        f"x: damaged: '{path}' is not what it was when it was verified; run the command again to get it anew"
    )
    assert not store.has(path.name)
    assert list((store.root / "temp").iterdir()) == []
