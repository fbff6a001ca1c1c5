"""A few small files out of a Debian package, without unpacking it into the store."""

import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from builder.errors import ArchiveError
from builder.packages import unpacked
from builder.packages.deb import parts_of
from builder.packages.decompress import decompressed
from builder.rootfs.archive import clean_path
from builder.rootfs.members import Members

LARGEST = 32 << 20
"""Bytes of one text, compressed or not; the longest changelogs have some 3 MB."""
DEEPEST = 10
"""Links that are followed inside one package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What was found under the wanted names."""

    files: dict[str, str]
    """Decompressed where the name ends in `.gz`; what isn't UTF-8 in it is replaced."""
    links: dict[str, str]
    """Path -> where it leads, inside the tree."""


def read_texts(
    path: Path, name: str, wanted: Callable[[str], bool], enough: Callable[[str], bool] = lambda _: False
) -> Texts:
    """Reads until the end, or until a file that is `enough`. `name` is what messages call the package.

    Raises `ArchiveError` where the package is damaged or a text is larger than any real one.
    """
    member, source = parts_of(path, name)["data"]
    archive = f"{name}: {member}"
    found = Texts(files={}, links={})
    stream = _Pieces(decompressed(source, member, archive, unpacked.allowance(source.size)))
    members = Members(cast(BinaryIO, stream), archive, lambda _: None)
    for one in members:
        place = clean_path(one.name)
        if place is None or not wanted(place):
            continue
        if one.type == "2":
            found.links[place] = _led_to(place, one.target)
        elif one.type == "0":
            found.files[place] = _text(members.data().read(LARGEST + 1), f"{archive}: '{place}'", place)
            if enough(place):
                break
    return found


def _led_to(place: str, target: str) -> str:
    folder = place.rpartition("/")[0]
    return clean_path(target.lstrip("/") if target.startswith("/") else f"{folder}/{target}") or ""


def _text(data: bytes, where: str, place: str) -> str:
    if len(data) <= LARGEST and place.endswith(".gz"):
        try:
            data = zlib.decompressobj(wbits=31).decompress(data, LARGEST + 1)
        except zlib.error:
            raise ArchiveError(f"{where}: is damaged") from None
    if len(data) > LARGEST:
        raise ArchiveError(f"{where}: has more than {LARGEST} bytes")
    return data.decode("utf-8", "replace")


class _Pieces(io.RawIOBase):
    """An iterator of bytes as a stream that is read forwards."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes, as many as are at hand; empty at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        wanted = len(self._rest) if size is None or size < 0 else size
        taken, self._rest = self._rest[:wanted], self._rest[wanted:]
        return bytes(taken)
