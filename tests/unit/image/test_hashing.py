"""Blobs that are hashed ahead of who asks: each to its end, and no further once nobody waits."""

import hashlib
import os
from pathlib import Path

import pytest

from builder.errors import ArchiveError
from builder.image import hashing as module
from builder.image.hashing import Hashing
from builder.image.streams import Span

DATA = os.urandom(300_000)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hashing") / "archive.tar"
    path.write_bytes(DATA)
    return path


def span(path: Path, offset: int, size: int) -> Span:
    return Span(path=path, offset=offset, size=size, name=f"{offset}.tar")


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_each_blob_has_its_own_digest_whoever_asks_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEP", 1000)
    blobs = [span(path, 0, 5000), span(path, 5000, 0), span(path, 7, 290_000)]
    with Hashing(blobs) as hashing:
        assert [hashing.digest(blob) for blob in reversed(blobs)] == [
            sha256(DATA[7:290_007]),
            sha256(b""),
            sha256(DATA[:5000]),
        ]


def test_a_blob_that_fails_leaves_those_after_it_alone(path: Path) -> None:
    longer, gone = span(path, 0, len(DATA) + 95), span(path.with_name("gone"), 0, 9)
    with Hashing([longer, gone, span(path, 0, 9)]) as hashing:
        with pytest.raises(ArchiveError) as caught:
            hashing.digest(longer)
        assert str(caught.value) == f"'{path}': 0.tar: is cut off: 95 bytes are missing"
        with pytest.raises(ArchiveError) as caught:
            hashing.digest(gone)
        assert str(caught.value) == f"'{gone.path}': 0.tar: can't be read: no such file or directory"
        assert hashing.digest(span(path, 0, 9)) == sha256(DATA[:9])


def test_no_thread_stays_where_the_block_fails(path: Path) -> None:
    with pytest.raises(KeyError), Hashing([span(path, 0, len(DATA))]) as hashing:
        raise KeyError
    assert not hashing._thread.is_alive()
