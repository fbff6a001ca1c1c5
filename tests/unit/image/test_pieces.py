"""What is kept of a file that streams by, or read again of its layer, reads like the file itself."""

import gzip
import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.image import pieces
from builder.image.packed import Packed
from builder.image.pieces import Again, Pieces, Places
from builder.image.streams import Packing, Span, unpacked

MIB = 1 << 20
SIZE = 12 * MIB
BEFORE = MIB // 2
"""Bytes of the layer that lie before the file."""
HEAD = 64 << 10


@given(
    data=st.binary(min_size=1, max_size=200),
    cuts=st.lists(st.integers(0, 200)),
    start=st.integers(0, 150),
    length=st.integers(1, 100),
    at=st.integers(0, 200),
    size=st.integers(0, 120),
)
def test_reads_within_a_range_are_the_files(
    data: bytes, cuts: list[int], start: int, length: int, at: int, size: int
) -> None:
    end = min(start + length, len(data))
    ends = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    steps = [data[one:other] for one, other in itertools.pairwise(ends)]
    kept = Pieces(steps[0], [(start, end)])
    for step in steps[1:]:
        kept.add(step)
    kept.seek(at)
    assert kept.read(size) == (data[at : min(at + size, end)] if start <= at < end else b"")


def test_two_ranges_are_kept_apart() -> None:
    kept = Pieces(b"0123456789", [(2, 5), (20, 40)])
    kept.add(b"abcdefghijklmnopqrstuvwxyz")
    assert (kept.seek(3), kept.read(9)) == (3, b"34")
    assert (kept.seek(21), kept.read(4), kept.read(3)) == (21, b"lmno", b"pqr")
    assert (kept.seek(10), kept.read(1)) == (10, b"")


def of_members(*sizes: int) -> Callable[[bytes], bytes]:
    """gzip in members of so many bytes, and one for the rest."""

    def packed(plain: bytes) -> bytes:
        ends = [0, *itertools.accumulate(sizes), len(plain)]
        return b"".join(gzip.compress(plain[one:end], 1) for one, end in itertools.pairwise(ends))

    return packed


SMALL = of_members(*[MIB] * 12)
ONE = of_members()
LARGE_BEHIND = of_members(*[MIB] * 6)
"""Small members first, then one of 7 MiB."""
LARGE_BEFORE = of_members(6 * MIB, *[MIB] * 6)


@pytest.fixture
def file() -> bytes:
    return hashlib.shake_256(b"file").digest(MIB) * 12


def places(folder: Path, file: bytes, pack: Callable[[bytes], bytes]) -> Places:
    """Of a file that has streamed by, of which two ranges are wanted."""
    blob = folder / "blob"
    plain = bytes(BEFORE) + file + bytes(MIB)
    blob.write_bytes(pack(plain))
    span = Span(path=blob, offset=0, size=blob.stat().st_size, name="sha256:1")
    packing = Packing(kind="gzip")
    met = Packed(
        span=span, packing=packing, offset=BEFORE, size=len(file), sha256="", head=file[:HEAD]
    )  # fmt: skip
    found = Places(met, [(0, 2 * MIB), (9 * MIB, 10 * MIB)])
    at = -BEFORE
    for piece in unpacked(span, packing):
        if part := piece[max(0, HEAD - at) : max(0, len(file) - at)]:
            found.add(part)
        at += len(piece)
    return found


@pytest.mark.parametrize(
    ("pack", "again"),
    [(SMALL, Again), (ONE, Pieces), (LARGE_BEHIND, Pieces), (LARGE_BEFORE, Pieces)],
    ids=["small members", "one member", "a large member behind", "a large member before"],
)
def test_places_read_like_the_file(
    tmp_path: Path, file: bytes, pack: Callable[[bytes], bytes], again: type
) -> None:
    found = places(tmp_path, file, pack).file()
    assert type(found) is again
    for at, size in [(0, 64), (100, HEAD), (MIB - 5, 10), (9 * MIB, MIB), (9 * MIB + 7, 12)]:
        assert found.seek(at) == at
        assert found.read(size) == file[at : at + size]


def test_nothing_is_kept_of_a_file_that_can_be_read_again(tmp_path: Path, file: bytes) -> None:
    assert places(tmp_path, file, SMALL)._kept is None
    assert places(tmp_path, file, ONE)._kept is not None


def test_not_endlessly_much_is_read_again(
    tmp_path: Path, file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may name thousands of places that are to be looked at."""
    monkeypatch.setattr(pieces, "MOST", 3 * MIB)
    found = places(tmp_path, file, SMALL).file()
    read = []
    for _ in range(100):
        found.seek(9 * MIB)
        read.append(found.read(10))
    assert (read[0], read[-1]) == (file[9 * MIB :][:10], b"")


def test_a_second_reading_of_a_layer_tells_no_place_twice(tmp_path: Path, file: bytes) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(SMALL(file + b"end"))
    span, packing = Span(path=blob, offset=0, size=blob.stat().st_size, name="x"), Packing(kind="gzip")
    for _ in range(2):
        assert sum(map(len, unpacked(span, packing))) == SIZE + 3
        assert packing.plain == [MIB * at for at in range(13)]
