"""Digests of a foreign layer's files: at once where they will be compared, else when somebody asks."""

import gzip
import hashlib
import os
from pathlib import Path

import pytest
import zstandard

from builder.image import packed
from builder.image.layout import read_layout
from builder.image.packed import Packed, Undigested
from builder.model.image import Image
from builder.model.tree import Slice, Unhashed
from tests.unit.image.foreign_layout import plain_layout, tar_of, write_layout

LARGE = 3 << 20
FILES = {
    "a/empty": b"",
    "a/first.bin": os.urandom(LARGE),
    "a/small.bin": os.urandom(100_000),
    "opt/site-packages/lib.so": os.urandom(LARGE),
    "z/second.bin": os.urandom(LARGE + 1),
    "z/third.bin": bytes(LARGE),
}
PACKS = {"gzip": gzip.compress, "zstd": zstandard.compress, "none": bytes}


def read(folder: Path, how: str) -> Image:
    data = tar_of(FILES)
    return read_layout(write_layout(folder, [(PACKS[how](data), data)]))


@pytest.mark.parametrize("how", PACKS)
@pytest.mark.parametrize("backwards", [False, True])
def test_every_digest_is_right_in_whatever_order_they_are_asked_for(
    tmp_path: Path, how: str, backwards: bool
) -> None:
    image = read(tmp_path, how)
    names = sorted(FILES, reverse=backwards)
    found = {name: image.rootfs[name].content.sha256 for name in names}
    assert found == {name: hashlib.sha256(FILES[name]).hexdigest() for name in names}


def test_what_a_wheel_records_is_digested_at_once(tmp_path: Path) -> None:
    rootfs = read(tmp_path, "gzip").rootfs
    kinds = {name: type(rootfs[name].content) for name in FILES if len(FILES[name]) > 1000}
    assert kinds == {
        "a/first.bin": Undigested,
        "a/small.bin": Packed,
        "opt/site-packages/lib.so": Packed,
        "z/second.bin": Undigested,
        "z/third.bin": Undigested,
    }


def test_in_a_layer_that_is_not_compressed_too(tmp_path: Path) -> None:
    rootfs = read_layout(plain_layout(tmp_path, tar_of(FILES))).rootfs
    kinds = {name: type(rootfs[name].content) for name in FILES if len(FILES[name]) > 1000}
    assert kinds == {
        "a/first.bin": Unhashed,
        "a/small.bin": Unhashed,
        "opt/site-packages/lib.so": Slice,
        "z/second.bin": Unhashed,
        "z/third.bin": Unhashed,
    }


def test_one_more_reading_makes_all_digests(tmp_path: Path, monkeypatch) -> None:
    image = read(tmp_path, "gzip")
    readings = []
    unpacked = packed.unpacked
    monkeypatch.setattr(packed, "unpacked", lambda *words: readings.append(1) or unpacked(*words))
    assert len({entry.content.sha256 for entry in image.rootfs.files()}) == len(FILES)
    assert readings == [1]


def test_digests_of_another_kind_take_one_reading_too(tmp_path: Path, monkeypatch) -> None:
    image = read(tmp_path, "gzip")
    readings = []
    unpacked = packed.unpacked
    monkeypatch.setattr(packed, "unpacked", lambda *words: readings.append(1) or unpacked(*words))
    expected = {
        name: hashlib.sha1(data, usedforsecurity=False).hexdigest() for name, data in FILES.items() if data
    }
    assert packed.digests_of(image.rootfs.files(), "sha1") == expected
    assert readings == [1]


def test_a_file_without_a_digest_can_be_read(tmp_path: Path) -> None:
    content = read(tmp_path, "gzip").rootfs["z/second.bin"].content
    assert isinstance(content, Undigested)
    assert (content.size, content.path) == (LARGE + 1, content.packed.span.path)
    with content.open() as stream:
        assert stream.read() == FILES["z/second.bin"]
