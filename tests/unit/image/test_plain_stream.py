"""An uncompressed layer that is looked at and hashed at once: the same bytes, the same digest."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import ArchiveError
from builder.image.hashing import Hashing
from builder.image.plain_stream import PlainStream
from builder.image.streams import Span

DATA = os.urandom(300_000)
BEFORE = b"before" * 7


@pytest.fixture(scope="module")
def span(tmp_path_factory: pytest.TempPathFactory) -> Span:
    """In the middle of an archive."""
    path = tmp_path_factory.mktemp("plain") / "archive.tar"
    path.write_bytes(BEFORE + DATA + b"after")
    return Span(path=path, offset=len(BEFORE), size=len(DATA), name="layer.tar")


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 90_000)), max_size=12))
def test_reading_and_passing_over_leave_the_digest_alone(span: Span, steps: list[tuple[bool, int]]) -> None:
    at = 0
    with Hashing([span]) as hashing, PlainStream(span, hashing) as stream:
        for reading, size in steps:
            if reading:
                data = stream.read(size)
                assert data == DATA[at : at + size]
                at += len(data)
            else:
                assert stream.skip(size) == min(size, len(DATA) - at)
                at = min(at + size, len(DATA))
        assert stream.read() == DATA[at:]
        assert stream.read(1) == b""
        assert stream.finish() == (f"sha256:{hashlib.sha256(DATA).hexdigest()}",) * 2


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    gone = Span(path=tmp_path / "gone", offset=0, size=9, name="layer.tar")
    with Hashing([]) as hashing, pytest.raises(ArchiveError) as caught:
        PlainStream(gone, hashing)
    assert str(caught.value) == f"'{tmp_path / 'gone'}': layer.tar: can't be read: no such file or directory"
