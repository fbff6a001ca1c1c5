"""Byte code of a tree's Python files: compiled once for one source, kept in the store, the same everywhere.

A read-only root can't keep what Python compiles, so every start would compile it again. The output depends
on path, source and the version of Python alone (measured: neither on order nor on PYTHONHASHSEED).
"""

import hashlib
import json
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from builder.errors import ArchiveError
from builder.model.tree import Entry, Kind, Owner, Rootfs, Slice
from builder.packages.store import Store

RECORD = "bytecode-1"
"""To be raised with every change of their form; how it is compiled is part of each key."""
CACHE = "__pycache__"
_FRAME = struct.Struct(">II")
LENGTH = struct.Struct(">I")
CHUNK = 1 << 20

Compile = Callable[[Sequence[Entry], BinaryIO], None]
"""Writes the frames of `bytecode_inside` for these sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    version: str
    """`3.13`"""
    sha256: str
    """Of the program: another one may compile otherwise."""

    def target(self, source: str) -> str:
        """`a/b.py` -> `a/__pycache__/b.cpython-313.pyc` (PEP 3147)."""
        folder, _, name = source.rpartition("/")
        return f"{folder}/{CACHE}/{name[:-3]}.cpython-{self.version.replace('.', '')}.pyc"


def sources(rootfs: Rootfs, version: str) -> dict[Owner, list[Entry]]:
    """The modules that somebody could import, by whom they belong to, in path order."""
    folders = ("usr/lib/python3/", f"usr/lib/python{version}/", f"usr/local/lib/python{version}/")
    found: dict[Owner, list[Entry]] = {}
    for entry in rootfs.files():
        if entry.path.endswith(".py") and (entry.path.startswith(folders) or entry.owner.kind == "file"):
            found.setdefault(entry.owner, []).append(entry)
    return found


def with_bytecode(rootfs: Rootfs, store: Store, interpreter: Interpreter, run: Compile) -> Rootfs:
    """The tree with byte code beside every module; `run` is asked for what the store doesn't have."""
    made: list[Entry] = []
    for owner, group in sources(rootfs, interpreter.version).items():
        rows = _known(store, interpreter, group) or _compiled(store, interpreter, group, run)
        made += _entries(rows, store, owner)
    return rootfs.with_entries(made)


Row = tuple[str, int, int, str]
"""Path, offset in the blob, size, sha256."""
Rows = tuple[str, list[Row]]
"""The blob, and what lies in it."""


def _key(interpreter: Interpreter, group: Iterable[Entry]) -> str:
    rows = [(entry.path, entry.content.sha256) for entry in group if entry.content is not None]
    digest = hashlib.sha256(inside().read_bytes())
    digest.update(json.dumps([interpreter.version, interpreter.sha256, rows]).encode())
    return digest.hexdigest()


def _known(store: Store, interpreter: Interpreter, group: list[Entry]) -> Rows | None:
    record = store.record(RECORD, _key(interpreter, group))
    if record is None:
        return None
    blob, rows = json.loads(record)
    return (blob, rows) if store.has(blob) else None


def _compiled(store: Store, interpreter: Interpreter, group: list[Entry], run: Compile) -> Rows:
    rows: list[Row] = []
    with store.scratch() as (path, file):
        run(group, file)
        file.flush()
        with path.open("rb") as frames, store.writer() as out:
            for entry, code in zip(group, _frames(frames, len(group)), strict=True):
                if code:
                    sha256 = hashlib.sha256(code).hexdigest()
                    rows.append((interpreter.target(entry.path), out.size, len(code), sha256))
                    out.write(code)
    store.write_record(RECORD, _key(interpreter, group), json.dumps([out.sha256, rows]).encode())
    return out.sha256, rows


def _frames(stream: BinaryIO, count: int) -> Iterator[bytes]:
    for _ in range(count):
        head = stream.read(LENGTH.size)
        size = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else -1
        code = stream.read(size) if size >= 0 else b""
        if len(code) != size:
            raise ArchiveError("the image's Python broke off while it compiled byte code; run again")
        yield code


def write_sources(group: Iterable[Entry], out: BinaryIO) -> None:
    """What `bytecode_inside` reads."""
    for entry in group:
        assert entry.content is not None  # noqa: S101 - they are files
        path = entry.path.encode("utf-8", "surrogateescape")
        with entry.content.open() as stream:
            source = stream.read()
        out.write(_FRAME.pack(len(path), len(source)) + path + source)


def _entries(rows: Rows, store: Store, owner: Owner) -> Iterator[Entry]:
    blob, found = rows
    path = store.blob(blob)
    for folder in sorted({target.rpartition("/")[0] for target, *_ in found}):
        yield Entry(path=folder, kind=Kind.DIRECTORY, mode=0o755, owner=owner)
    for target, offset, size, sha256 in found:
        content = Slice(path=path, offset=offset, size=size, sha256=sha256)
        yield Entry(path=target, kind=Kind.FILE, mode=0o644, content=content, owner=owner)


def inside() -> Path:
    return Path(__file__).with_name("bytecode_inside.py")
