"""Layers that can only be read from their beginning are decompressed once, for whoever opens every file."""

import gzip
import os
from collections import Counter
from pathlib import Path

import pytest

from builder.image import packed
from builder.image.layout import read_layout
from builder.image.openable import FAR, openable
from builder.model.image import Image
from builder.packages.store import Store
from tests.unit.image.foreign_layout import tar_of, write_layout

FILES = {f"lib/{number:02}.so": b"\x7fELF\0" + os.urandom(300_000) for number in range(20)}


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """One gzip stream without a place to begin in the middle, as every other tool writes it."""
    tar = tar_of(FILES)
    return read_layout(write_layout(tmp_path / "oci", [(gzip.compress(tar), tar)]))


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    counts: Counter[str] = Counter()
    unpacked = packed.unpacked

    def counting(span, *rest, **named):
        counts[span.name] += 1
        return unpacked(span, *rest, **named)

    monkeypatch.setattr(packed, "unpacked", counting)
    return counts


def contents(image: Image) -> dict[str, bytes]:
    found = {}
    for entry in image.rootfs.files():
        with entry.content.open() as stream:
            found[entry.path] = stream.read()
    return found


def test_every_file_is_opened_without_decompressing_the_layer_again(
    image: Image, tmp_path: Path, readings: Counter[str]
) -> None:
    assert image.size > FAR
    store = Store(tmp_path / "store")
    with openable(image, store) as plain:
        assert contents(plain) == FILES
        assert readings.total() == 0
        assert [entry.content.sha256 for entry in plain.rootfs.files()] == [
            entry.content.sha256 for entry in image.rootfs.files()
        ]
        assert [entry.content.facts for entry in plain.rootfs.files()] == [
            entry.content.facts for entry in image.rootfs.files()
        ]
    assert list((store.root / "temp").iterdir()) == []
    assert contents(image) == FILES
    assert readings.total() == len(FILES)


def test_what_can_be_opened_anywhere_stays_where_it_is(tmp_path: Path) -> None:
    tar = tar_of(FILES)
    members = [gzip.compress(tar[at : at + (1 << 20)]) for at in range(0, len(tar), 1 << 20)]
    image = read_layout(write_layout(tmp_path / "oci", [(b"".join(members), tar)]))
    with openable(image, Store(tmp_path / "store")) as plain:
        assert plain is image


def test_nothing_stays_where_the_block_fails(image: Image, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(KeyError), openable(image, store):
        raise KeyError
    assert list((store.root / "temp").iterdir()) == []
