"""A tar archive as a sequence of members, read strictly and in one pass.

Python's own `tarfile` is lenient where this must not be: it takes a damaged header in the middle for the
end of the archive, and silently follows what other readers understand differently. What an engine unpacks
and what Temper looks at has to be the same tree.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

from builder.errors import ArchiveError
from builder.rootfs.header import (
    BLOCK,
    MAX_ID,
    MAX_SIZE,
    OLD,
    Header,
    HeaderError,
    cut,
    decimal,
    parse_header,
    parse_records,
    seconds,
)

CHUNK = 1 << 20
MAX_MEMBERS = 1_000_000
"""The largest images hold some 200,000."""
MAX_EXTENDED = 1 << 20
"""Bytes of one extended header; Linux allows 64 KiB for all extended attributes of a file."""
_XATTR = "SCHILY.xattr."
_ZEROS = bytes(BLOCK)
_EXTENDS = frozenset("xgLK")


class Member(NamedTuple):
    """One entry of the archive as it is written; nothing in it has been judged."""

    name: str
    """UTF-8, with surrogate escapes for bytes that are not."""
    type: str
    """The typeflag: `0` file, `1` hard link, `2` symlink, `3` and `4` devices, `5` directory, `6` FIFO."""
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    """Bytes of data; 0 for all but files."""
    target: str = ""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    offset: int = 0
    """Where the data begins, counted from the archive's first byte."""


@dataclass(slots=True)
class _Extended:
    """What extended headers say about the member that follows them."""

    records: dict[str, bytes] = field(default_factory=dict)
    names: dict[str, bytes] = field(default_factory=dict)
    """GNU's long names, by typeflag: `L` the name, `K` the target."""

    def name(self, key: str, gnu: str, written: bytes) -> bytes:
        return self.records.get(key) or self.names.get(gnu) or written

    def number(self, key: str, written: int, limit: int) -> int:
        return decimal(self.records[key], key, limit) if key in self.records else written

    def xattrs(self) -> tuple[tuple[str, bytes], ...]:
        found = (
            (key.removeprefix(_XATTR), value) for key, value in self.records.items() if key.startswith(_XATTR)
        )
        return tuple(sorted(found))


class Members(Iterator[Member]):
    """Iterates over a tar stream, which is only ever read forwards, to its very end.

    `problem` is told of each oddity that readers disagree about; what makes the archive unreadable raises
    `ArchiveError`. Both texts begin with `archive`.
    """

    def __init__(self, stream: BinaryIO, archive: str, problem: Callable[[str], None]) -> None:
        self.ended = False
        """The end-of-archive marker was there; an archive cut off between two members has none."""
        self._stream = stream
        self._archive = archive
        self._problem = problem
        self._at = 0
        self._end = 0
        self._next = 0
        self._count = 0
        self._skip = getattr(stream, "skip", None)

    def __next__(self) -> Member:
        member = self._member()
        if member is None:
            raise StopIteration
        self._count += 1
        if self._count > MAX_MEMBERS:
            raise ArchiveError(f"{self._archive}: holds more than {MAX_MEMBERS} entries")
        return member

    def data(self) -> BinaryIO:
        """The current member's content. What is not read of it is skipped by the next step.

        A new one each time: kept here it would be a cycle, and while an image is read nobody looks for those.
        """
        return _Data(self)  # type: ignore[return-value]  # it reads, which is all that is asked of it

    def read(self, size: int) -> bytes:
        """`size` bytes of the current member's content, all for -1; fewer at its end."""
        left = self._end - self._at
        wanted = left if size < 0 else min(size, left)
        return self._take(wanted) if wanted > 0 else b""

    def _member(self) -> Member | None:
        extended: _Extended | None = None  # nearly all members come without
        while block := self._block():
            if block == _ZEROS:
                self._read_end()
                break
            start = self._at - BLOCK
            try:
                header = parse_header(block)
                if header.type not in _EXTENDS:
                    return self._plain(header) if extended is None else self._combine(header, extended)
                extended = extended or _Extended()
                self._extend(extended, header)
            except HeaderError as error:
                raise ArchiveError(f"{self._archive}: damaged header at byte {start}: {error}") from None
        if extended is not None and (extended.records or extended.names):
            raise ArchiveError(f"{self._archive}: is cut off after {self._at} bytes")
        return None

    def _block(self) -> bytes:
        """The next header; empty where the stream ends instead."""
        while (left := self._next - self._at) > 0:
            passed = self._skip(left) if self._skip else self._read_over(left)
            if not passed:
                raise self._cut_off()
            self._at += passed
        first = b"" if self.ended else self._stream.read(BLOCK)
        self._at += len(first)
        return first + self._take(BLOCK - len(first)) if 0 < len(first) < BLOCK else first

    def _read_over(self, size: int) -> int:
        return len(self._stream.read(min(size, CHUNK)))

    def _cut_off(self) -> ArchiveError:
        return ArchiveError(f"{self._archive}: is cut off after {self._at} bytes")

    def some(self, size: int) -> bytes:
        """At most `size` bytes of the current member's content, as many as are at hand; empty at its end."""
        wanted = min(size, self._end - self._at)
        if wanted <= 0:
            return b""
        data = self._stream.read(wanted)
        if not data:
            raise self._cut_off()
        self._at += len(data)
        return data

    def _take(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._at += len(data)
        while len(data) < size:
            more = self._stream.read(size - len(data))
            if not more:
                raise self._cut_off()
            self._at += len(more)
            data += more
        return data

    def _read_end(self) -> None:
        """After the marker nothing but zeros may follow: some readers go on there, others stop."""
        self.ended = True
        clean = True
        while rest := self._stream.read(CHUNK):
            clean = clean and not rest.strip(b"\0")
            self._at += len(rest)
        if not clean:
            self._problem(f"{self._archive}: more data follows the end of the archive")

    def _bound(self, size: int) -> None:
        self._end = self._at + size
        self._next = self._at + -(-size // BLOCK) * BLOCK

    def _extend(self, extended: _Extended, header: Header) -> None:
        """Reads an extended header. Two for one member are understood differently by different readers."""
        if header.size > MAX_EXTENDED:
            raise HeaderError(f"an extended header of {header.size} bytes is too large")
        self._bound(header.size)
        data = self.read(header.size)
        if header.type in "LK":
            again = header.type in extended.names
            extended.names[header.type] = cut(data)
        elif header.type == "x":
            again = bool(extended.records)
            extended.records = parse_records(data)
        else:  # global: engines ignore it, tar does not
            again = not set(parse_records(data)) <= {"comment"}
        if again:
            self._problem(f"{self._archive}: ambiguous extended header before byte {self._next}")

    def _combine(self, header: Header, extended: _Extended) -> Member:
        records = extended.records
        if any(key.startswith("GNU.sparse.") for key in records):
            raise ArchiveError(f"{self._archive}: {quoted(header.name)}: is stored as a sparse file")
        if records and extended.names:
            self._problem(f"{self._archive}: ambiguous extended header before byte {self._at - BLOCK}")
        found = Header(
            name=extended.name("path", "L", header.name),
            type=header.type,
            mode=header.mode,
            uid=extended.number("uid", header.uid, MAX_ID),
            gid=extended.number("gid", header.gid, MAX_ID),
            mtime=seconds(records["mtime"]) if "mtime" in records else header.mtime,
            size=extended.number("size", header.size, MAX_SIZE),
            target=extended.name("linkpath", "K", header.target),
        )
        return self._plain(found, extended.xattrs())

    def _plain(self, header: Header, xattrs: tuple[tuple[str, bytes], ...] = ()) -> Member:
        name = header.name.decode("utf-8", "surrogateescape")
        type_, size = header.type, header.size
        if type_ == OLD:
            type_ = "5" if name.endswith("/") else "0"
        elif type_ == "0" and name.endswith("/"):
            self._problem(f"{self._archive}: {name!a}: is a folder by its name and a file by its type")
        elif type_ == "S":
            raise ArchiveError(f"{self._archive}: {name!r}: is stored as a sparse file")
        if size and type_ in "123456":  # as Linux readers do: such data would be read as a header
            self._problem(f"{self._archive}: {name!r}: has data, though it is not a file")
            size = 0
        self._end = self._at + size
        self._next = self._at + -(-size // BLOCK) * BLOCK
        target = header.target.decode("utf-8", "surrogateescape") if header.target else ""
        return Member(
            name, type_, header.mode, header.uid, header.gid, header.mtime, size, target, xattrs, self._at
        )


def quoted(name: bytes) -> str:
    return repr(name.decode("utf-8", "surrogateescape"))


class _Data(io.RawIOBase):
    """No buffer on top: what asks for the bytes asks for large pieces, or for all of a small file."""

    def __init__(self, members: Members) -> None:
        self._members = members

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._members.read(-1 if size is None else size)

    def read1(self, size: int = -1, /) -> bytes:
        return self._members.some(1 << 20 if size < 0 else size)

    def readinto(self, buffer: Any) -> int:
        data = self._members.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
