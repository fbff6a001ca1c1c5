import os
from pathlib import Path

import pytest

from builder.errors import StoreError
from builder.image.layers import BIG, MOST_WHEELS, content_key, layer_blob, split, undated
from builder.model.image import Image, Layer
from builder.model.tree import Bytes, Entry, Kind, Owner, Rootfs, Slice
from builder.packages.store import Store

LIMIT = 1_700_000_000


def test_packages_wheels_and_own_files_are_layers_of_their_own(image: Image) -> None:
    layers = {layer.name: set(layer.rootfs) for layer in split(image.rootfs)}
    assert list(layers) == ["system", "python", "configuration", "app"]
    assert {"usr/bin/tool", "bin"} <= layers["system"]
    assert layers["configuration"] == {"etc", "etc/shadow"}
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


def wheel(name: str, size: int, version: str = "1") -> list[Entry]:
    owner = Owner(kind="wheel", name=name, version=version)
    content = Slice(path=Path(name), offset=0, size=size, sha256=f"{name}-{version}")
    entry = Entry(path=f"{PACKAGES}/{name}.so", kind=Kind.FILE, mode=0o644, content=content, owner=owner)
    folder = Entry(path=PACKAGES, kind=Kind.DIRECTORY, mode=0o755, owner=owner)
    return [folder, entry]


PACKAGES = "usr/local/lib/python3.13/dist-packages"


def keys(rootfs: Rootfs) -> dict[str, str]:
    return {layer.name: content_key(layer.rootfs.values(), LIMIT) for layer in split(undated(rootfs))}


def test_a_big_wheel_has_a_layer_of_its_own_and_small_ones_share_theirs() -> None:
    tree = Rootfs().with_entries(
        [*wheel("torch", BIG), *wheel("numpy", BIG + 1), *wheel("idna", BIG - 1), *wheel("six", 1)]
    )
    layers = {layer.name: [path for path in layer.rootfs if path.endswith(".so")] for layer in split(tree)}
    assert layers == {
        "python-numpy": [f"{PACKAGES}/numpy.so"],
        "python-torch": [f"{PACKAGES}/torch.so"],
        "python": [f"{PACKAGES}/idna.so", f"{PACKAGES}/six.so"],
    }


def test_another_day_moves_no_layer() -> None:
    """What no package brings is as old as the newest package, whatever the lock's date."""

    def tree(lock: int) -> Rootfs:
        def made(path: str, kind: str, mtime: int) -> Entry:
            owner = Owner(kind=kind, name="accounts" if kind == "temper" else "x")
            return Entry(path=path, kind=Kind.FILE, mode=0o644, mtime=mtime, content=Bytes(b""), owner=owner)

        made_by = [("etc/passwd", "temper", lock), ("app/main.py", "file", lock), ("usr/lib/x", "deb", 1000)]
        return Rootfs().with_entries([*(made(*one) for one in made_by), made("usr/lib/y", "wheel", 2000)])

    assert keys(tree(5000)) == keys(tree(6000))
    dated = undated(tree(5000))
    assert {path: dated[path].mtime for path in dated if dated[path].kind is Kind.FILE} == {
        "app/main.py": 1000,
        "etc/passwd": 1000,
        "usr/lib/x": 1000,
        "usr/lib/y": 2000,
    }


def test_a_bump_of_one_wheel_moves_its_layer_alone(image: Image) -> None:
    others = [*image.rootfs.values(), *wheel("numpy", BIG), *wheel("six", 1)]
    before = keys(Rootfs().with_entries([*others, *wheel("torch", BIG)]))
    after = keys(Rootfs().with_entries([*others, *wheel("torch", BIG, "2")]))
    assert [name for name in before if before[name] != after[name]] == ["python-torch"]


def test_the_same_wheel_is_the_same_layer_in_two_images(image: Image) -> None:
    """Whatever lies beside it, and whenever the folders above it were made."""
    one = keys(Rootfs().with_entries([*image.rootfs.values(), *wheel("torch", BIG)]))
    folders = [Entry(path="usr", kind=Kind.DIRECTORY, mode=0o755, mtime=77)]
    other = keys(Rootfs().with_entries([*folders, *wheel("torch", BIG), *wheel("other", 3)]))
    assert one["python-torch"] == other["python-torch"]


def test_what_only_compiling_reads_is_not_in_a_wheel_s_own_layer() -> None:
    """So that an image with it and one without share the rest, which is a gigabyte."""
    wheel_of = Owner(kind="wheel", name="torch", version="1")
    paths = ("torch/include/ATen.h", "torch-1.dist-info/RECORD", "torch-1.dist-info/METADATA")
    header, record, metadata = (
        Entry(path=f"{PACKAGES}/{path}", kind=Kind.FILE, mode=0o644, owner=wheel_of) for path in paths
    )
    compiling = Rootfs().with_entries([*wheel("torch", BIG), header, record.replace(mtime=1), metadata])
    running = Rootfs().with_entries([*wheel("torch", BIG), record, metadata])
    one, other = keys(compiling), keys(running)
    assert one["python-torch"] == other["python-torch"]
    assert one["python-jit"] != other["python-jit"]
    layers = {layer.name: layer.rootfs for layer in split(compiling)}
    assert {header.path, record.path} <= layers["python-jit"].keys()
    assert metadata.path in layers["python-torch"]


def test_a_hundred_big_wheels_are_not_a_hundred_layers() -> None:
    tree = Rootfs().with_entries(
        [entry for number in range(100) for entry in wheel(f"w{number:03}", BIG + number)]
    )
    layers = split(tree)
    assert len(layers) == MOST_WHEELS + 1
    assert [layer.name for layer in layers[:2]] == ["python-w068", "python-w069"]  # the largest
    assert layers[-1].name == "python"


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
