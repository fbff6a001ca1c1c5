"""Two layers side by side: where they begin to differ, in words."""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from builder.errors import ArchiveError
from builder.image.first_difference import first_difference
from builder.image.streams import Span

LONG = bytes(100_000)


def layer(folder: Path, name: str, *members: tuple[str, bytes, dict[str, Any]], level: int = 6) -> Span:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, data, more in members:
            info = tarfile.TarInfo(path)
            info.size = len(data)
            for key, value in more.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
    path_ = folder / name
    path_.write_bytes(gzip.compress(out.getvalue(), level, mtime=0))
    return Span(path=path_, offset=0, size=path_.stat().st_size, name=name)


ONE = ("etc/one", b"one", {"mode": 0o644})
TWO = ("etc/two", LONG, {})


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        ((("etc/one", b"one", {"mode": 0o600}), TWO), "/etc/one: mode: theirs is 0644, ours 0600"),
        ((("etc/one", b"one", {"uid": 7}), TWO), "/etc/one: uid: theirs is 0, ours 7"),
        ((("etc/one", b"ones", {}), TWO), "/etc/one: size: theirs is 3, ours 4"),
        ((("etc/one", b"onE", {}), TWO), "/etc/one: byte 2 differs"),
        ((ONE, ("etc/two", LONG[:70_000] + b"x" + LONG[70_001:], {})), "/etc/two: byte 70000 differs"),
        ((ONE, TWO, ("etc/three", b"", {})), "/etc/three: only ours has it"),
        ((ONE,), "/etc/two: only theirs has it"),
        ((ONE, ("etc/too", b"", {})), "/etc/two: is followed by another entry than ours, /etc/too"),
        (
            (ONE, ("etc/two", b"", {"type": tarfile.SYMTYPE, "linkname": "one"})),
            "/etc/two: type: theirs is b'0', ours b'2'",
        ),
    ],
)
def test_the_first_one_is_told(tmp_path: Path, ours: tuple[Any, ...], said: str) -> None:
    assert first_difference(layer(tmp_path, "theirs", ONE, TWO), layer(tmp_path, "ours", *ours)) == said


def test_the_same_files_compressed_otherwise(tmp_path: Path) -> None:
    theirs, ours = layer(tmp_path, "theirs", ONE, TWO, level=9), layer(tmp_path, "ours", ONE, TWO, level=1)
    assert first_difference(theirs, ours) == (
        "the files are the same, their compression is not: by another compressor, or another version"
    )


def test_what_is_no_layer(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.write_bytes(gzip.compress(b"x" * 600))
    theirs = Span(path=path, offset=0, size=path.stat().st_size, name="theirs")
    with pytest.raises(ArchiveError):
        first_difference(theirs, layer(tmp_path, "ours", ONE))
