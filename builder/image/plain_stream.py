"""An uncompressed layer: looked at where something matters, and hashed as a whole beside that.

The two readings know nothing of each other. Fed by one stream they waited for each other: whoever gives the
interpreter away to hash a piece gets it back late from one who is busy with small files.
"""

import hashlib
import os
from threading import Thread

from builder.errors import ArchiveError
from builder.image.streams import Packing, Span

STEP = 8 << 20
"""Bytes that are hashed at a time, the interpreter being left alone meanwhile."""
BUFFER = 1 << 18
"""Bytes that are read ahead where one looks."""


class PlainStream:
    """A layer's tar, read forwards; `finish()` tells its digest. A context manager.

    Raises `ArchiveError` where the file is missing or shorter than it should be.
    """

    def __init__(self, span: Span) -> None:
        self.packing = Packing(kind="none")
        self._span = span
        self._at = 0
        try:
            self._file = span.path.open("rb", buffering=BUFFER)
            self._file.seek(span.offset)
        except OSError as error:
            raise unreadable(span, error) from None
        self._hashing = Hashing(span)

    def __enter__(self) -> "PlainStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        digest = f"sha256:{self._hashing.result()}"
        return digest, digest

    def close(self) -> None:
        self._hashing.stop()
        self._file.close()


class Hashing:
    """The digest of a part of a file, made on a thread of its own."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._digest = hashlib.sha256()
        self._error: ArchiveError | None = None
        self._wanted = True
        # A daemon, so that a second Ctrl-C, which may come while `stop` waits, still ends the process.
        self._thread = Thread(target=self._work, name="hashing", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        span, buffer = self._span, memoryview(bytearray(min(STEP, self._span.size) or 1))
        left = span.size
        try:
            with span.path.open("rb", buffering=0) as file:
                file.seek(span.offset)
                while left and self._wanted and (count := file.readinto(buffer[: min(left, len(buffer))])):
                    self._digest.update(buffer[:count])
                    left -= count
        except OSError as error:
            self._error = unreadable(span, error)
            return
        if left:
            self._error = ArchiveError(f"{span.problem_prefix}: is cut off: {left} bytes are missing")

    def result(self) -> str:
        """Hex, once all is hashed."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._digest.hexdigest()

    def stop(self) -> None:
        self._wanted = False
        self._thread.join()


def unreadable(span: Span, error: OSError) -> ArchiveError:
    reason = (error.strerror or str(error)).lower()
    return ArchiveError(f"{span.problem_prefix}: can't be read: {reason}")
