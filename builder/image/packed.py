"""Files inside a compressed layer, which are never unpacked: each is decompressed again when it is opened."""

import hashlib
import io
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from builder.image.streams import CHUNK, Joined, Packing, Span, unpacked
from builder.model.tree import NO_FACTS, Content, Entry, Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A file's content inside a compressed layer: opening it decompresses from the member it lies in."""

    span: Span
    packing: Packing
    offset: int
    """In the uncompressed tar."""
    size: int
    sha256: str
    facts: Facts = NO_FACTS
    head: bytes = b""
    """Its first bytes, for whoever asks for no more."""

    @property
    def path(self) -> Path:
        return self.span.path

    def open(self) -> BinaryIO:
        return io.BufferedReader(Joined(self._pieces()), CHUNK)

    def _pieces(self) -> Generator[bytes, None, None]:
        if self.head:
            yield self.head
        start = self.offset + len(self.head)
        plain, packed = self.packing.before(start)
        skip, left = start - plain, self.size - len(self.head)
        if not left:
            return
        for piece in unpacked(self.span, self.packing, packed):
            part = piece[skip : skip + left]
            skip -= min(skip, len(piece))
            left -= len(part)
            if part:
                yield part
            if not left:
                return


def digests(
    span: Span, packing: Packing, places: Iterable[tuple[int, int]], algorithm: str
) -> Iterator[tuple[int, str]]:
    """Offset and digest of files of a layer, all in one reading. `places` are offset and size, in order."""
    pieces = unpacked(span, packing)
    at, piece = 0, b""
    for offset, size in places:
        digest, end = hashlib.new(algorithm, usedforsecurity=False), offset + size
        while at < end:
            digest.update(piece[max(0, offset - at) : end - at])
            if at + len(piece) >= end:
                break
            at, piece = at + len(piece), next(pieces, b"")
            if not piece:
                break
        yield offset, digest.hexdigest()
    pieces.close()


def packed_in(content: Content | None) -> "Packed | None":
    """Where in a compressed layer it lies; `None` where it can be read without going through one."""
    if isinstance(content, Undigested):
        return content.packed
    return content if isinstance(content, Packed) else None


def digests_of(entries: Iterable[Entry], algorithm: str) -> dict[str, str]:
    """Path -> digest of what lies in compressed layers, each of which is read once."""
    layers: dict[Span, tuple[Packing, dict[int, int]]] = {}
    places: dict[str, tuple[Span, int]] = {}
    for entry in entries:
        if (packed := packed_in(entry.content)) is not None:
            places[entry.path] = (packed.span, packed.offset)
            layers.setdefault(packed.span, (packed.packing, {}))[1][packed.offset] = packed.size
    found = {
        span: dict(digests(span, packing, sorted(sizes.items()), algorithm))
        for span, (packing, sizes) in layers.items()
    }
    return {path: found[span][offset] for path, (span, offset) in places.items()}


@dataclass(slots=True, eq=False)
class Digests:
    """The digests of a layer's large files, which hardly anybody asks for: when somebody does, one more
    reading of the layer makes them all, however many are asked for."""

    span: Span
    packing: Packing
    _places: list[tuple[int, int]] = field(default_factory=list)
    """Offset and size, in the order of the archive."""
    _known: dict[int, str] = field(default_factory=dict)

    def expect(self, offset: int, size: int) -> None:
        self._places.append((offset, size))

    def of(self, offset: int) -> str:
        """Raises `ArchiveError` where the layer was damaged in the meantime."""
        if not self._known:
            self._make()
        return self._known[offset]

    def _make(self) -> None:
        self._known.update(digests(self.span, self.packing, self._places, "sha256"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Undigested:
    """A large file inside a compressed layer, whose digest is made when somebody asks for it."""

    packed: Packed
    """Its `sha256` is empty."""
    digests: Digests = field(compare=False, repr=False)

    @property
    def path(self) -> Path:
        return self.packed.path

    @property
    def size(self) -> int:
        return self.packed.size

    @property
    def sha256(self) -> str:
        return self.digests.of(self.packed.offset)

    @property
    def facts(self) -> Facts:
        return self.packed.facts

    def open(self) -> BinaryIO:
        return self.packed.open()
