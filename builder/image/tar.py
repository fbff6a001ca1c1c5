"""Layers as tar bytes that depend on the entries alone: POSIX ustar, with PAX headers only where it must be.

Headers are made here and not by `tarfile`: a layer's digest may not change with the Python that writes it.
Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; OCI image-spec 1.1, layer.md.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from builder.errors import ArchiveError, StoreError
from builder.model.tree import Bytes, Content, Entry, Kind

BLOCK = 512
CHUNK = 1 << 20
"""Bytes of content that are in memory at a time."""
_USTAR = struct.Struct("100s8s8s8s12s12s8sc100s6s2s32s32s8s8s155s12x")
_TYPES = {Kind.FILE: b"0", Kind.SYMLINK: b"2", Kind.DIRECTORY: b"5", Kind.FIFO: b"6"}
_MAX_ID = 0o7777777
_MAX_SIZE = 0o77777777777
_CHECKSUM = slice(148, 156)


class DamagedError(StoreError):
    """Content that is not what the tree says of it."""

    def __init__(self, entry: str, content: Content, what: str) -> None:
        self.path: Path | None = getattr(content, "path", None)
        place = f"'{self.path}'" if self.path else "its source"
        super().__init__(f"{entry}: damaged: {place} {what}; run the command again to get it anew")


class Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...


def write_layer(entries: Iterable[Entry], out: Sink, mtime_limit: int) -> None:
    """Writes a tar in path order, every mtime clamped to `mtime_limit` (seconds since the epoch).

    Owners are numbers only. Files that share their bytes are written as separate files, since a hard link
    in a layer breaks when a file of it is copied up. Raises `StoreError` for content that is not what its
    digest says, `ArchiveError` for a device, whose numbers the tree doesn't carry.
    """
    for entry in sorted(entries, key=lambda entry: entry.path):
        if entry.kind not in _TYPES:
            raise ArchiveError(f"{entry.path}: is a {entry.kind}, which no layer may hold; remove it")
        out.write(header(entry, mtime_limit))
        if entry.content is not None and entry.kind is Kind.FILE:
            copy_content(entry.path, entry.content, out)
            out.write(bytes(-entry.content.size % BLOCK))
    out.write(bytes(2 * BLOCK))


def copy_content(path: str, content: Content, out: Sink) -> None:
    """Streams a file's bytes and checks them against the digest and the size that the tree states."""
    if isinstance(content, Bytes):  # its digest is computed from these very bytes
        out.write(content.data)
        return
    digest = hashlib.sha256()
    left = content.size
    for chunk in _chunks(path, content):
        digest.update(chunk)
        left -= len(chunk)
        if left >= 0:
            out.write(chunk)
    if left or digest.hexdigest() != content.sha256:
        raise DamagedError(path, content, "is not what it was when it was verified")


def _chunks(path: str, content: Content) -> Iterator[bytes]:
    """An `OSError` is of the content: what the sink raises doesn't come by here."""
    try:
        with content.open() as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except OSError as error:
        raise DamagedError(path, content, f"can't be read: {str(error.strerror).lower()}") from None


def header(entry: Entry, mtime_limit: int) -> bytes:
    """The header blocks of one entry."""
    name = _raw(entry.path) + (b"/" if entry.kind is Kind.DIRECTORY else b"")
    target = _raw(entry.target) if entry.kind is Kind.SYMLINK else b""
    size = entry.size if entry.kind is Kind.FILE else 0
    prefix, short = _split(name)
    records = [(b"SCHILY.xattr." + key.encode(), value) for key, value in entry.xattrs]
    for key, value, fits in (
        (b"path", name, short is not None),
        (b"linkpath", target, len(target) <= 100 and target.isascii()),
        (b"size", b"%d" % size, size <= _MAX_SIZE),
        (b"uid", b"%d" % entry.uid, entry.uid <= _MAX_ID),
        (b"gid", b"%d" % entry.gid, entry.gid <= _MAX_ID),
    ):
        if not fits:
            records.append((key, value))
    if not (_is_utf8(name) and _is_utf8(target)):
        records.append((b"hdrcharset", b"BINARY"))
    block = _ustar(
        (prefix, _replaced(name) if short is None else short),
        _TYPES[entry.kind],
        mode=entry.mode & 0o7777,
        owner=(entry.uid, entry.gid),
        size=size,
        mtime=max(0, min(entry.mtime, mtime_limit)),
        target=_replaced(target),
    )
    return _pax(records) + block


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _replaced(text: bytes) -> bytes:
    """What a reader without PAX sees of a name that ustar can't hold.

    It never ends with a slash, by which old readers know a directory.
    """
    return text.decode("ascii", "replace").encode("ascii", "replace")[:100].rstrip(b"/")


def _split(name: bytes) -> tuple[bytes, bytes | None]:
    """A name as ustar's prefix and name; the second is None where only PAX can hold it."""
    if not name.isascii():
        return b"", None
    if len(name) <= 100:
        return b"", name
    cut = name.find(b"/", len(name) - 101, len(name) - 1)
    return (name[:cut], name[cut + 1 :]) if 0 < cut <= 155 else (b"", None)


def _ustar(  # noqa: PLR0913 - a header has that many fields
    name: tuple[bytes, bytes],
    kind: bytes,
    *,
    mode: int = 0o644,
    owner: tuple[int, int] = (0, 0),
    size: int = 0,
    mtime: int = 0,
    target: bytes = b"",
) -> bytes:
    block = bytearray(
        _USTAR.pack(
            name[1],
            b"%07o" % mode,
            *(b"%07o" % (number if number <= _MAX_ID else 0) for number in owner),
            b"%011o" % (size if size <= _MAX_SIZE else 0),
            b"%011o" % mtime,
            b" " * 8,
            kind,
            target,
            b"ustar",
            b"00",
            b"",
            b"",
            b"%07o" % 0,
            b"%07o" % 0,
            name[0],
        )
    )
    block[_CHECKSUM] = b"%06o\0 " % sum(block)
    return bytes(block)


def _pax(records: list[tuple[bytes, bytes]]) -> bytes:
    if not records:
        return b""
    body = b"".join(_record(key, value) for key, value in sorted(records))
    return _ustar((b"", b"PaxHeaders"), b"x", size=len(body)) + body + bytes(-len(body) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    """`<length> <key>=<value>\\n`, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)
