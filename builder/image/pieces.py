"""The few places of a large file that are looked at again, kept while the whole streams by."""

import io
from collections.abc import Iterable


class Pieces(io.RawIOBase):
    """Reads like the file itself, but of other places than the wanted ranges nothing: reads end there.

    `head` is how the file begins; what follows is handed over by `add` in order.
    """

    def __init__(self, head: bytes, ranges: Iterable[tuple[int, int]]) -> None:
        self._ranges = [(start, end) for start, end in ranges if end > start]
        self._kept = [bytearray() for _ in self._ranges]
        self._passed = 0
        self._at = 0
        self.add(head)

    def add(self, piece: bytes) -> None:
        start = self._passed
        self._passed += len(piece)
        for (first, last), kept in zip(self._ranges, self._kept, strict=True):
            if first < self._passed and last > start:
                kept.extend(piece[max(0, first - start) : last - start])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._passed)[whence]
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._passed - self._at if size is None or size < 0 else size
        for (first, _), kept in zip(self._ranges, self._kept, strict=True):
            if first <= self._at < first + len(kept):
                data = bytes(kept[self._at - first : self._at - first + wanted])
                self._at += len(data)
                return data
        return b""
