"""The tree cut into layers by how often they change, and each layer's blob, made once for one content."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from builder.errors import StoreError
from builder.image.compress import Blob, Gzip, recipe
from builder.image.tar import DamagedError, write_layer
from builder.model.image import Layer
from builder.model.jit import is_read, varies
from builder.model.tree import Entry, Kind, Owner, Rootfs, parents
from builder.packages.store import Store

BIG = 16 << 20
"""Bytes of files from which on a wheel gets a layer of its own: a bump of another one doesn't move it."""
MOST_WHEELS = 32
"""Layers of single wheels. Engines mount 127 layers at most, and each costs time at every start."""
JIT = "python-jit"
"""What only images that compile while they run have of a big wheel, and its RECORD, which tells of it.
The rest is one layer for all images."""
APP = "app"
"""The image's own files, and their byte code."""
_FIRST, _LAST = ("system",), (JIT, "python", "configuration", APP)
_CONFIGURATION = frozenset({"accounts", "ca-bundle", "controls", "mount-point"})
"""What Temper writes for one image under one profile, and would change a layer that others share."""
_OURS = frozenset({"file", "temper"})
"""What no package brings: the image's own files, and what Temper writes."""
_IMPLIED = Owner(kind="temper", name="tree")
"""Of directories that are only there because something lies in them (`Rootfs.with_entries`)."""
PLAIN = "plain-1"
"""Records of a blob's uncompressed size, by its digest."""
_FORMAT = "1"
"""To be raised with every change of what `write_layer` writes."""


def undated(rootfs: Rootfs) -> Rootfs:
    """The tree with its directories at time 0, and what no package brings at that of the newest package.

    Each layer holds the folders above its files. With times they would change whenever any package below
    does, and a wheel's layer would not be the same in two images. What Temper writes, and the image's own
    files, were dated by the lock: a new lock would change their layers, although nothing in them moved.
    """
    files = (entry for entry in rootfs.values() if entry.owner.kind == "deb" and entry.kind is Kind.FILE)
    newest = max((entry.mtime for entry in files), default=0)
    return Rootfs({path: _redated(entry, newest) for path, entry in rootfs.items()})


def _redated(entry: Entry, newest: int) -> Entry:
    latest = 0 if entry.kind is Kind.DIRECTORY else newest if entry.owner.kind in _OURS else entry.mtime
    return entry if entry.mtime <= latest else entry.replace(mtime=latest)


def split(rootfs: Rootfs) -> tuple[Layer, ...]:
    """One layer per concern, each with its parent directories; empty ones are left out.

    The distribution's packages, big wheels by name, the other wheels, what Temper writes, and the image's
    own files, which change most. A directory that nobody brought goes with what lies in it, so that a new
    folder in the image's own files leaves the layers below as they are.
    """
    wheels = _big_wheels(rootfs)
    parts: dict[str, dict[str, Entry]] = {name: {} for name in (*_FIRST, *wheels.values(), *_LAST)}
    filled: set[str] = set()
    for entry in reversed(list(rootfs.values())):  # children first
        if entry.owner == _IMPLIED and entry.kind is Kind.DIRECTORY and entry.path in filled:
            continue
        part = parts[_layer_of(entry, wheels)]
        part[entry.path] = entry
        for parent in parents(entry.path):
            if parent in part:  # and so are those above it
                break
            filled.add(parent)
            part[parent] = rootfs[parent]
    return tuple(Layer(name=name, rootfs=Rootfs.of(part.values())) for name, part in parts.items() if part)


def _layer_of(entry: Entry, wheels: Mapping[str, str]) -> str:
    owner = entry.owner
    if owner.kind == "wheel":
        return JIT if _is_for_jit(entry) else wheels.get(owner.name, "python")
    if owner.kind == "file":
        return APP
    return "configuration" if owner.kind == "temper" and owner.name in _CONFIGURATION else "system"


def _is_for_jit(entry: Entry) -> bool:
    if not varies(entry.owner.name) or entry.kind is Kind.DIRECTORY:
        return False
    return is_read(entry.path.partition("-packages/")[2]) or entry.path.endswith(".dist-info/RECORD")


def _big_wheels(rootfs: Rootfs) -> dict[str, str]:
    """The layers' names by the wheels', in the order of the latter."""
    sizes: Counter[str] = Counter()
    for entry in rootfs.values():
        if entry.owner.kind == "wheel":
            sizes[entry.owner.name] += entry.size
    largest = sorted((-size, name) for name, size in sizes.items() if size >= BIG)[:MOST_WHEELS]
    return {name: f"python-{name}" for _, name in sorted(largest, key=lambda one: one[1])}


def layer_blob(layer: Layer, store: Store, mtime_limit: int) -> Blob:
    """The layer's compressed blob in the store: as it was written, or found by content, or written now.

    Raises `StoreError` for content that is damaged.
    """
    if layer.digest and store.has(hexadecimal(layer.digest)):
        size = store.blob(hexadecimal(layer.digest)).stat().st_size
        return Blob(digest=layer.digest, diff_id=layer.diff_id, size=size)
    key = content_key(layer.rootfs.values(), mtime_limit)
    blob = _known(store, key)
    if blob is None:
        with _distrusting(store), store.writer() as out, Gzip(out) as packed:
            write_layer(layer.rootfs.values(), packed, mtime_limit)
            blob = packed.finish()
        store.write_record(PLAIN, hexadecimal(blob.digest), str(blob.plain).encode())
        store.write_record("layer-1", key, json.dumps([blob.digest, blob.diff_id, blob.size]).encode())
    return blob


@contextmanager
def _distrusting(store: Store) -> Iterator[None]:
    """Has a damaged blob of the store found out at the next run, which then gets it anew."""
    try:
        yield
    except DamagedError as error:
        if error.path is not None and error.path.parent == store.blob("0" * 64).parent:
            store.distrust(error.path.name)
        raise


def _known(store: Store, key: str) -> Blob | None:
    record = store.record("layer-1", key)
    if record is None:
        return None
    digest, diff_id, size = json.loads(record)
    return Blob(digest=digest, diff_id=diff_id, size=size) if store.has(hexadecimal(digest)) else None


def plain_size(store: Store, digest: str) -> int | None:
    """Uncompressed bytes of a blob that was written here; gzip itself doesn't tell them reliably."""
    record = store.record(PLAIN, hexadecimal(digest))
    return int(record) if record else None


def content_key(entries: Iterable[Entry], mtime_limit: int) -> str:
    """Hex digest of everything that a layer's bytes depend on, without reading any content."""
    rows = [
        (
            *(entry.path, entry.kind, entry.mode, entry.uid, entry.gid, min(entry.mtime, mtime_limit)),
            *(entry.target, entry.size, entry.content.sha256 if entry.content is not None else ""),
            *((name, value.hex()) for name, value in entry.xattrs),
        )
        for entry in entries
    ]
    return hashlib.sha256(f"{_FORMAT} {recipe()} {json.dumps(rows)}".encode()).hexdigest()


def hexadecimal(digest: str) -> str:
    """`sha256:ab12` -> `ab12`. Raises `StoreError` for another algorithm, of which we write none."""
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256":
        raise StoreError(f"'{digest}': not a sha256 digest")
    return value
