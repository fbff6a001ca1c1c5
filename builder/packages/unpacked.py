"""A package after unpacking as the store keeps it: one blob with all contents, one small JSON record.

Reading a record back is all that a warm build does per package, so its rows are arrays without keys.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from builder.errors import ArchiveError, StoreError
from builder.model.package import Package
from builder.model.tree import NO_FACTS, Content, Elf, Entry, Facts, Kind, Owner, Slice
from builder.packages.store import Store

Row = list[Any]
_KINDS = {kind.value: kind for kind in Kind}


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
        "entries": [_row(entry) for entry in package.entries],
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
    return Package(
        owner=owner,
        entries=tuple([_entry(row, blob, owner) for row in record["entries"]]),
        control=record["control"],
        md5sums=record["md5sums"],
        scripts=tuple((name, text) for name, text in record["scripts"]),
    )


def _row(entry: Entry) -> Row:
    return [
        entry.path,
        entry.kind.value,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.mtime,
        entry.target,
        [[name, value.hex()] for name, value in entry.xattrs],
        _content_row(entry.content),
    ]


def _entry(row: Row, blob: Path, owner: Owner) -> Entry:
    path, kind, mode, uid, gid, mtime, target, xattrs, content = row
    return Entry(
        path=path,
        kind=_KINDS[kind],
        mode=mode,
        uid=uid,
        gid=gid,
        mtime=mtime,
        content=_content(content, blob) if content else None,
        target=target,
        xattrs=tuple([(name, bytes.fromhex(value)) for name, value in xattrs]),
        owner=owner,
    )


def _content_row(content: Content | None) -> Row | None:
    if content is None:
        return None
    assert isinstance(content, Slice)  # noqa: S101 - the unpackers make no others
    facts = content.facts
    return [content.offset, content.size, content.sha256, facts.shebang, facts.elf and _elf_row(facts.elf)]


def _content(row: Row, blob: Path) -> Slice:
    offset, size, sha256, shebang, elf = row
    facts = Facts(elf=_elf(elf) if elf else None, shebang=shebang) if elf or shebang is not None else NO_FACTS
    return Slice(path=blob, offset=offset, size=size, sha256=sha256, facts=facts)


def _elf_row(elf: Elf) -> Row:
    return [
        elf.machine,
        elf.needed,
        elf.soname,
        elf.rpath,
        elf.runpath,
        elf.interpreter,
        elf.executable_stack,
    ]


def _elf(row: Row) -> Elf:
    machine, needed, soname, rpath, runpath, interpreter, executable_stack = row
    return Elf(
        machine=machine,
        needed=tuple(needed),
        soname=soname,
        rpath=tuple(rpath),
        runpath=tuple(runpath),
        interpreter=interpreter,
        executable_stack=executable_stack,
    )
