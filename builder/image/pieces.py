"""The few places of a large file that are looked at again, kept while the whole streams by."""

import io
from collections.abc import Iterable
from dataclasses import dataclass, field

from isal import isal_zlib

BLOCK = 1 << 20
"""Bytes that are packed, and unpacked again, at a time."""


@dataclass(slots=True, eq=False)
class _Kept:
    """Bytes that only grow: packed, since a library's shrink to two fifths, and hardly any is ever read.

    Costs a tenth of the time that a layer of large libraries takes to be read, and saves 30 MB.
    """

    size: int = 0
    _packed: list[bytes] = field(default_factory=list)
    _rest: bytearray = field(default_factory=bytearray)
    """What is not yet a whole block."""

    def extend(self, piece: bytes) -> None:
        self.size += len(piece)
        self._rest += piece
        while len(self._rest) >= BLOCK:
            self._packed.append(isal_zlib.compress(self._rest[:BLOCK], 0))
            del self._rest[:BLOCK]

    def read(self, start: int, size: int) -> bytes:
        """Fewer only at the end."""
        first, last = start // BLOCK, -(-(start + size) // BLOCK)
        data = b"".join(self._block(number) for number in range(first, min(last, len(self._packed) + 1)))
        return data[start - first * BLOCK :][:size]

    def _block(self, number: int) -> bytes:
        return isal_zlib.decompress(self._packed[number]) if number < len(self._packed) else bytes(self._rest)


class Pieces(io.RawIOBase):
    """Reads like the file itself, but of other places than the wanted ranges nothing: reads end there.

    `head` is how the file begins; what follows is handed over by `add` in order.
    """

    def __init__(self, head: bytes, ranges: Iterable[tuple[int, int]]) -> None:
        self._ranges = [(start, end) for start, end in ranges if end > start]
        self._kept = [_Kept() for _ in self._ranges]
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
            if first <= self._at < first + kept.size:
                data = kept.read(self._at - first, wanted)
                self._at += len(data)
                return data
        return b""
