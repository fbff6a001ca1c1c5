"""An uncompressed layer, of which only those places are read that matter to who looks at it."""

import os

from builder.image.hashing import Hashing, unreadable
from builder.image.streams import Span

BUFFER = 1 << 18
"""Bytes that are read ahead where one looks."""


class Elsewhere:
    """Other places of a file that is open, read without its being moved."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def seek(self, offset: int) -> int:
        self._at = offset
        return offset

    def read(self, size: int) -> bytes:
        data = os.pread(self._descriptor, size, self._at)
        self._at += len(data)
        return data


class PlainStream:
    """A layer's tar, read forwards; `finish()` tells its digest. A context manager.

    Raises `ArchiveError` where the file is missing or shorter than it should be.
    """

    def __init__(self, span: Span, hashing: Hashing) -> None:
        self._span = span
        self._hashing = hashing
        self._at = 0
        try:
            self._file = span.path.open("rb", buffering=BUFFER)
            self._file.seek(span.offset)
        except OSError as error:
            raise unreadable(span, error) from None

    def __enter__(self) -> "PlainStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def elsewhere(self) -> Elsewhere:
        """As long as this is open."""
        return Elsewhere(self._file.fileno())

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, fewer only at the end."""
        left = self._span.size - self._at
        try:
            data = self._file.read(left if size < 0 else min(size, left))
        except OSError as error:
            raise unreadable(self._span, error) from None
        self._at += len(data)
        return data

    def skip(self, size: int) -> int:
        """Passes over up to `size` bytes; tells how many, 0 only at the end."""
        passed = min(size, self._span.size - self._at)
        self._file.seek(passed, os.SEEK_CUR)
        self._at += passed
        return passed

    def finish(self) -> tuple[str, str]:
        """`sha256:...`, twice: of the blob, and of the tar, which are the same."""
        digest = self._hashing.digest(self._span)
        return digest, digest

    def close(self) -> None:
        self._file.close()
