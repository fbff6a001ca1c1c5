"""Passing over a part of a file goes to its end and no further."""

from pathlib import Path

import pytest

from builder.image.seeking import Seeking


@pytest.mark.parametrize(("size", "passed", "rest"), [(3, 3, b"defghij"), (10, 10, b""), (99, 10, b"")])
def test_what_was_passed_over_is_told(tmp_path: Path, size: int, passed: int, rest: bytes) -> None:
    (tmp_path / "file").write_bytes(b"abcdefghij")
    with Seeking(tmp_path / "file") as file:
        assert file.skip(size) == passed
        assert file.read() == rest
        assert file.skip(1) == 0
