"""Whatever bytes a layer consists of: it is read, or refused with an error of ours; never anything else."""

import gzip
import io
import posixpath
import tarfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.errors import ArchiveError
from builder.image.layout import read_layout
from builder.image.tar import write_layer
from builder.model.tree import Bytes, Entry, Kind, Owner, Rootfs, parents
from builder.rootfs.archive import read_layer
from tests.unit.image.foreign_layout import plain_layout, tar_of, write_layout
from tests.unit.image.test_layout import PLAIN

QUIET = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", ".wh.a", ".wh..wh..opq", "é", ""]), max_size=4).map(
    "/".join
)
SOUND = tar_of({"a/one": b"1" * 700, "b": b"#!/bin/sh\n", "etc/passwd": b"x:x:1:1::/:\n"})


def members() -> st.SearchStrategy[bytes]:
    """Sound headers with any names, types and targets."""

    def one(name: str, kind: bytes, target: str, size: int) -> bytes:
        info = tarfile.TarInfo(name or "x")
        info.type, info.linkname, info.size = kind, target, size if kind == b"0" else 0
        data = info.tobuf(tarfile.PAX_FORMAT)
        return data + bytes(-(-info.size // 512) * 512)

    kinds = st.sampled_from([b"0", b"1", b"2", b"3", b"5", b"6"])
    return st.lists(st.builds(one, NAMES, kinds, NAMES, st.integers(0, 600)), max_size=8).map(b"".join)


def is_a_tree(tree: Rootfs) -> bool:
    return list(tree) == sorted(tree) and all(
        ".." not in path.split("/")
        and all(parent in tree and tree[parent].kind is Kind.DIRECTORY for parent in parents(path))
        for path in tree
    )


@QUIET
@given(layers=st.lists(members(), min_size=1, max_size=3))
def test_any_members_add_up_to_a_tree(tmp_path: Path, layers: list[bytes]) -> None:
    image = read_layout(plain_layout(tmp_path, *[data + bytes(1024) for data in layers]))
    assert is_a_tree(image.rootfs)
    assert all(is_a_tree(layer.rootfs) or layer.problems for layer in image.layers)
    for path in image.rootfs:
        image.rootfs.resolve(path)


@QUIET
@given(at=st.integers(0, len(SOUND) - 1), byte=st.integers(0, 255), cut=st.integers(0, len(SOUND)))
def test_a_damaged_layer_is_read_or_refused(tmp_path: Path, at: int, byte: int, cut: int) -> None:
    data = bytearray(SOUND)
    data[at] = byte
    data = data[: cut or None]
    try:
        image = read_layout(write_layout(tmp_path, [(gzip.compress(data), bytes(data))]))
    except ArchiveError:
        return
    assert is_a_tree(image.rootfs)


@QUIET
@given(at=st.integers(0, len(gzip.compress(PLAIN)) - 1), byte=st.integers(1, 255))
def test_damaged_compression_is_refused_or_means_the_same(tmp_path: Path, at: int, byte: int) -> None:
    data = bytearray(gzip.compress(PLAIN, mtime=0))
    data[at % len(data)] ^= byte
    try:
        image = read_layout(write_layout(tmp_path, [(bytes(data), PLAIN)]))
    except ArchiveError:
        return
    assert list(image.rootfs) == ["one", "two"]


PATHS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map("/".join)


@QUIET
@given(st.dictionaries(PATHS, st.binary(max_size=40), max_size=6))
def test_a_tree_that_is_written_is_read_back(files: dict[str, bytes]) -> None:
    lone = {path: data for path, data in files.items() if not any(p.startswith(path + "/") for p in files)}
    tree = Rootfs().with_entries(
        Entry(path=path, kind=Kind.FILE, mode=0o644, content=Bytes(data)) for path, data in lone.items()
    )
    out = io.BytesIO()
    write_layer(tree.values(), out, 0)
    out.seek(0)
    entries, problems = read_layer(
        out, "layer", Owner(kind="layer", name="x"), lambda _, stream: Bytes(stream.read())
    )
    assert problems == ()
    assert [(e.path, e.kind, e.content and e.content.sha256) for e in entries] == [
        (e.path, e.kind, e.content and e.content.sha256) for e in tree.values()
    ]


@given(
    st.dictionaries(PATHS, st.one_of(st.none(), PATHS, PATHS.map(lambda path: f"/{path}")), max_size=8), PATHS
)
def test_resolving_ends_in_an_entry_that_is_no_link(links: dict[str, str | None], path: str) -> None:
    tree = Rootfs.of(
        Entry(path=name, kind=Kind.SYMLINK if target else Kind.DIRECTORY, mode=0o755, target=target or "")
        for name, target in links.items()
    )
    found = tree.resolve(path)
    assert found is None or found.kind is not Kind.SYMLINK
    assert found is None or posixpath.normpath(found.path) == found.path
