"""A layer's blob where it lies, and what it holds uncompressed, read forwards."""

import io
from bisect import bisect_right
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from isal import isal_zlib

from builder.errors import ArchiveError

CHUNK = 1 << 18
"""Compressed bytes that are read at a time."""
PIECE = 1 << 20
"""Uncompressed bytes that are in memory at a time, whatever the blob claims to hold."""
HARMLESS = 1 << 30
"""Bytes that any layer may unpack to, however small it is."""
RATIO = 200
"""How many times its own size a larger one may unpack to; program code shrinks to a third, logs to a
twentieth, and gzip can't do more than a thousandth."""
GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
_DAMAGED = "is damaged; build the image again"
_GZIP_ERROR = cast(type[Exception], isal_zlib.error)  # its stub makes it an instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Bytes of a file: a blob of a layout, or a member of an archive that `docker save` made."""

    path: Path
    offset: int
    size: int
    name: str
    """What messages call it: its digest, or its name in the archive."""
    shown: str = ""
    """What messages call the file, where that is a copy which nobody knows of."""

    def chunks(self, skip: int = 0, size: int = CHUNK) -> Generator[bytes, None, None]:
        """Raises `ArchiveError` where the file is missing or shorter than it should be."""
        left = self.size - skip
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset + skip)
                while left and (chunk := file.read(min(left, size))):
                    left -= len(chunk)
                    yield chunk
        except OSError as error:
            reason = str(error.strerror).lower()
            raise ArchiveError(f"{self.problem_prefix}: can't be read: {reason}") from None
        if left:
            raise ArchiveError(f"{self.problem_prefix}: is cut off: {left} bytes are missing")

    @property
    def problem_prefix(self) -> str:
        return f"'{self.shown or self.path}': {self.name}"


@dataclass(slots=True, eq=False)
class Packing:
    """How a blob is compressed, and where reading can begin: learnt while it is read the first time."""

    kind: str
    """`gzip`, `zstd` or `none`."""
    plain: list[int] = field(default_factory=lambda: [0])
    packed: list[int] = field(default_factory=lambda: [0])
    """Where each gzip member begins, uncompressed and compressed."""

    def mark(self, plain: int, packed: int) -> None:
        """Another reading from the first byte tells nothing new."""
        if plain > self.plain[-1]:
            self.plain.append(plain)
            self.packed.append(packed)

    def before(self, offset: int) -> tuple[int, int]:
        found = self.index(offset)
        return self.plain[found], self.packed[found]

    def index(self, offset: int) -> int:
        """Of the last of those places that doesn't lie behind an offset of the uncompressed tar."""
        return bisect_right(self.plain, offset) - 1


def packing_of(span: Span) -> Packing:
    head = next(span.chunks(), b"")[:4]
    if head.startswith(GZIP):
        return Packing(kind="gzip")
    return Packing(kind="zstd" if head == ZSTD else "none")


def unpacked(span: Span, packing: Packing, skip: int = 0, digest: Any = None) -> Generator[bytes, None, None]:
    """The uncompressed bytes from `skip` compressed ones on; `digest` is fed with the compressed ones, where
    there is a difference."""
    if packing.kind == "none":
        return span.chunks(skip, PIECE)
    chunks = hashed(span.chunks(skip), digest)
    if packing.kind == "gzip":
        return _gunzip(chunks, span, packing if skip == 0 else Packing(kind="gzip"))
    return _unzstd(chunks, span)


def hashed(chunks: Generator[bytes, None, None], digest: Any) -> Generator[bytes, None, None]:
    """The same chunks, after `digest` was fed with each; as they are where there is none."""
    with closing(chunks):
        for chunk in chunks:
            if digest is not None:
                digest.update(chunk)
            yield chunk


def _next_member(data: bytes, span: Span) -> Any:
    if not data.startswith(GZIP[:1]):
        raise ArchiveError(f"{span.problem_prefix}: more data follows its gzip data")
    return isal_zlib.decompressobj(31)


def _gunzip(chunks: Iterator[bytes], span: Span, packing: Packing) -> Generator[bytes, None, None]:
    plain = packed = 0
    member = isal_zlib.decompressobj(31)
    fresh = True
    try:
        for chunk in chunks:
            packed += len(chunk)
            data = chunk
            while data:
                if member.eof:
                    packing.mark(plain, packed - len(data))
                    member = _next_member(data, span)
                piece = member.decompress(data, PIECE)
                fresh = False
                plain += len(piece)
                data = member.unused_data if member.eof else member.unconsumed_tail
                if piece:
                    yield piece
    except _GZIP_ERROR:
        raise ArchiveError(f"{span.problem_prefix}: {_DAMAGED}") from None
    if fresh or not member.eof:
        raise ArchiveError(f"{span.problem_prefix}: is cut off; build the image again")


class Joined(io.RawIOBase):
    """An iterator of bytes as a stream."""

    def __init__(self, pieces: Generator[bytes, None, None]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._pieces.close()  # it holds a file open
        super().close()


def _unzstd(chunks: Generator[bytes, None, None], span: Span) -> Generator[bytes, None, None]:
    import zstandard  # noqa: PLC0415 - few layers are packed so, and it takes 8 ms

    source = io.BufferedReader(Joined(chunks), CHUNK)
    reader = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
    try:
        while piece := reader.read(PIECE):
            yield piece
    except zstandard.ZstdError:
        raise ArchiveError(f"{span.problem_prefix}: {_DAMAGED}") from None
