"""The digests of an image's blobs, made on a thread of their own, one blob after the other.

It reads the files itself. Fed by who looks at the layers, both waited for each other: whoever gives the
interpreter away to hash a piece gets it back late from one who is busy with small files.
"""

import hashlib
from collections.abc import Iterable
from threading import Event, Thread

from builder.errors import ArchiveError
from builder.image.streams import Span

STEP = 8 << 20
"""Bytes that are hashed at a time, the interpreter being left alone meanwhile."""


class _Answer:
    """What will be known of a blob. A `Future` would be it, but costs an audit 5 ms to import."""

    def __init__(self) -> None:
        self._known = Event()
        self._digest: str | None = None
        self._error: BaseException | None = None

    def give(self, digest: str | None, error: BaseException | None = None) -> None:
        self._digest, self._error = digest, error
        self._known.set()

    def take(self) -> str:
        self._known.wait()
        if self._digest is None:
            raise self._error or AssertionError("neither digest nor error")
        return self._digest


class Hashing:
    """Begins at once, and goes ahead of who asks. A context manager: the thread ends with the block."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._digests = {span: _Answer() for span in spans}
        largest = max((span.size for span in self._digests), default=0)
        self._buffer = memoryview(bytearray(min(STEP, largest) or 1))
        self._wanted = True
        # A daemon, so that a second Ctrl-C, which may come while `stop` waits, still ends the process.
        self._thread = Thread(target=self._work, name="hashing", daemon=True)
        self._thread.start()

    def __enter__(self) -> "Hashing":
        return self

    def __exit__(self, *_: object) -> None:
        self._wanted = False
        self._thread.join()

    def digest(self, span: Span) -> str:
        """`sha256:...`, once all of it is hashed. Raises `ArchiveError` where it can't be read to its end."""
        return self._digests[span].take()

    def all_sound(self) -> bool:
        """Whether each blob is what its name says."""
        return all(self.digest(span) == span.name for span in self._digests)

    def _work(self) -> None:
        for span, digest in self._digests.items():
            try:
                digest.give(f"sha256:{self._hashed(span)}")
            except BaseException as error:  # raised where the digest is asked for
                digest.give(None, error)

    def _hashed(self, span: Span) -> str:
        found, left = hashlib.sha256(), span.size
        try:
            with span.path.open("rb", buffering=0) as file:
                file.seek(span.offset)
                while left and self._wanted and (count := file.readinto(self._buffer[:left])):
                    found.update(self._buffer[:count])
                    left -= count
        except OSError as error:
            raise unreadable(span, error) from None
        if left:
            raise ArchiveError(f"{span.problem_prefix}: is cut off: {left} bytes are missing")
        return found.hexdigest()


def unreadable(span: Span, error: OSError) -> ArchiveError:
    reason = (error.strerror or str(error)).lower()
    return ArchiveError(f"{span.problem_prefix}: can't be read: {reason}")
