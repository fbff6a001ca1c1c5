"""The tar format, read strictly and in one pass: POSIX ustar, PAX and the GNU long names, nothing else.

Python's own `tarfile` is lenient where this must not be: it takes a damaged header in the middle for the
end of the archive, and follows what several readers understand differently. What an engine would unpack
and what Temper looks at has to be the same, so everything ambiguous is a problem here.
Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar 1.35 manual, section D.
"""

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from builder.errors import ArchiveError

BLOCK = 512
MAX_ENTRIES = 1_000_000
"""The largest images hold about 200,000; each costs half a kilobyte of memory."""
MAX_HEADER = 1 << 20
"""Bytes of one PAX or long-name header; Linux limits all extended attributes of a file to 64 KiB each."""
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s6s2s32s32s8s8s155s12x")
_WITHOUT_DATA = frozenset("123456")
_PLAIN = frozenset("01234567")
_PAX_RECORD = re.compile(rb"([1-9][0-9]{0,8}) ([^=]+)=")
_SPACES = b" \0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One header, as written; nothing in it has been judged."""

    name: str
    """UTF-8, with surrogate escapes for what is not."""
    type: str
    """The `typeflag`: `0` file, `1` hard link, `2` symlink, `3` `4` devices, `5` directory, `6` FIFO."""
    mode: int
    uid: int
    gid: int
    size: int
    """Bytes of data that follow the header."""
    mtime: int
    target: str = ""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    offset: int = 0
    """Where the data begins, counted from the archive's first byte."""


class Members(Iterator[Member]):
    """Iterates over a tar stream, which is only ever read forwards.

    `data()` gives the current member's content; what was not read of it is skipped. `problem` is told of
    each oddity that does not stop the reading. Raises `ArchiveError`, naming the archive, for what does.
    """

    def __init__(self, stream: BinaryIO, archive: str, problem: Callable[[str], None]) -> None:
        self._stream = stream
        self._archive = archive
        self._problem = problem
        self._at = 0
        self._next = 0
        self._end = 0
        self._count = 0
        self._finished = False

    def __next__(self) -> Member:
        if self._finished:
            raise StopIteration
        self._skip(self._next - self._at)
        member = self._member()
        if member is None:
            self._finished = True
            raise StopIteration
        self._count += 1
        if self._count > MAX_ENTRIES:
            raise ArchiveError(f"{self._archive}: holds more than {MAX_ENTRIES} entries")
        return member

    def data(self) -> BinaryIO:
        """The current member's content as a stream without seek."""
        import io  # noqa: PLC0415 - filled in below

        return io.BufferedReader(_Data(self))

    def read(self, size: int) -> bytes:
        """At most `size` bytes of the current member's content; empty at its end."""
        wanted = min(size, self._end - self._at)
        return self._take(wanted) if wanted > 0 else b""
