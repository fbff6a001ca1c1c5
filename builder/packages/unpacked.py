"""A package after unpacking as the store keeps it: one blob with all contents, one small JSON record.

Reading a record back is all that a warm build does per package.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from builder.errors import ArchiveError, StoreError
from builder.model.package import Package
from builder.model.tree import Content, Owner, Slice
from builder.packages.store import Store
from builder.rootfs.rows import Row, entry_of, entry_row, facts_of, facts_row


def allowance(size: int) -> int:
    """Bytes that an archive of `size` bytes may expand to; real packages stay below 20 times their size."""
    return (256 << 20) + 100 * size


def unpack_stored(store: Store, sha256: str, name: str, unpack: Callable[[Path], Package]) -> Package:
    """Unpacks a fetched archive, telling one that came malformed from one that was damaged in the store."""
    if not store.has(sha256):
        raise StoreError(f"'{store.root}': {name} is not in the store any more; run again to fetch it")
    try:
        return unpack(store.blob(sha256))
    except ArchiveError:
        store.distrust(sha256)
        if store.has(sha256):
            raise
        raise StoreError(
            f"'{store.root}': {name} was damaged in the store and is removed; run again to fetch it"
        ) from None


def save(store: Store, kind: str, key: str, package: Package, blob: str) -> None:
    """`blob` is the sha256 of what all files' contents are slices of."""
    record = {
        "blob": blob,
        "control": package.control,
        "md5sums": package.md5sums,
        "scripts": package.scripts,
        "entries": [entry_row(entry, _content_row) for entry in package.entries],
    }
    store.write_record(kind, key, json.dumps(record, separators=(",", ":")).encode())


def load(store: Store, kind: str, key: str, owner: Owner) -> Package | None:
    """`None` where it was never saved, or where its record or blob is damaged or gone."""
    data = store.record(kind, key)
    if data is None:
        return None
    record = json.loads(data)
    if not store.has(record["blob"]):
        return None
    blob = store.blob(record["blob"])
    content = partial(_content, blob=blob)
    return Package(
        owner=owner,
        entries=tuple([entry_of(row, content, owner) for row in record["entries"]]),
        control=record["control"],
        md5sums=record["md5sums"],
        scripts=tuple((name, text) for name, text in record["scripts"]),
    )


def _content_row(content: Content) -> Row:
    assert isinstance(content, Slice)  # noqa: S101 - the unpackers make no others
    return [content.offset, content.size, content.sha256, facts_row(content.facts), content.sha1]


def _content(row: Row, blob: Path) -> Slice:
    offset, size, sha256, facts, sha1 = row
    return Slice(path=blob, offset=offset, size=size, sha256=sha256, facts=facts_of(facts), sha1=sha1)
