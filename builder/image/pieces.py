"""The few places of a large file that are looked at again, once the whole has streamed by."""

import io
import itertools
from collections.abc import Iterable

from builder.image.packed import Packed
from builder.image.streams import PIECE, Packing, unpacked

NEAR = 5 * PIECE
"""Bytes between two places where a layer lets reading begin, at most: Temper's own have 1 MiB, eStargz
hardly more than 4."""
MOST = 64 << 20
"""Bytes of one file that are decompressed again: what is asked for of real libraries stays below 20 MiB."""


class Places:
    """Of a file that streams by, from which its head is known: the `wanted` ranges are kept until the layer
    turns out to let reading begin near each of them."""

    def __init__(self, packed: Packed, wanted: Iterable[tuple[int, int]]) -> None:
        self._packed = packed
        self._wanted = tuple(wanted)
        self._kept: Pieces | None = Pieces(packed.head, self._wanted)
        self._passed = len(packed.head)
        self._is_known = False

    def add(self, piece: bytes) -> None:
        """What follows."""
        self._passed += len(piece)
        if self._kept is not None:
            self._kept.add(piece)
        if not self._is_known and self._packed.offset + self._passed > NEAR:
            self._is_known = True
            if self._is_near():
                self._kept = None

    def file(self) -> "Pieces | Again":
        """Reads like the file, where that was wanted."""
        if self._kept is not None:
            return self._kept
        return Again(self._packed) if self._is_near() else self._streamed_again()

    def _is_near(self) -> bool:
        """So far. A first member that has not ended within `NEAR` bytes may be the only one."""
        start = self._packed.offset
        return widest(self._packed.packing, start, start + self._passed) <= NEAR

    def _streamed_again(self) -> "Pieces":
        """For a layer that begins with small members, and has a large one where one must read."""
        kept = Pieces(self._packed.head, self._wanted)
        with self._packed.open() as file:
            file.read(len(self._packed.head))
            while piece := file.read(PIECE):
                kept.add(piece)
        return kept


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
                data = bytes(kept[self._at - first :][:wanted])
                self._at += len(data)
                return data
        return b""


class Again:
    """Places of a file in a compressed layer that lets reading begin near each of them.

    Nothing of the file need be kept then, which can be 64 MiB. Reads end where `MOST` is used up.
    """

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self._at = 0
        self._left = MOST

    def seek(self, offset: int) -> int:
        self._at = offset
        return offset

    def read(self, size: int) -> bytes:
        packed = self._packed
        if self._at + size <= len(packed.head):
            return packed.head[self._at :][:size]
        plain, place = packed.packing.before(packed.offset + self._at)
        skip, found = packed.offset + self._at - plain, bytearray()
        pieces = unpacked(packed.span, Packing(kind=packed.packing.kind), place)
        while len(found) < size and self._left > 0 and (piece := next(pieces, b"")):
            self._left -= len(piece)
            found += piece[skip:]
            skip -= min(skip, len(piece))
        pieces.close()
        return bytes(found[:size])


def widest(packing: Packing, first: int, last: int) -> int:
    """Bytes from one place where reading can begin to the next, at most, of what lies between two offsets."""
    start, end = packing.index(first), packing.index(last)
    places = [*packing.plain[start : end + 1], last]
    return max(other - one for one, other in itertools.pairwise(places))
