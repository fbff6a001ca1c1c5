"""What is kept of a file that streams by reads like the file itself, wherever the pieces end."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.image import pieces
from builder.image.pieces import Pieces


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "BLOCK", 7)
        yield


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
