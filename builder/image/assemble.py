"""The finished image on disk: an OCI image layout, the same bytes for one image everywhere."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.errors import InputError, StoreError
from builder.image.compress import Blob
from builder.image.config import CONFIG, INDEX, LAYER, MANIFEST, compact, config_data
from builder.image.layers import hexadecimal, layer_blob, split
from builder.model.image import Image, Layer
from builder.packages.store import Store


def assemble(image: Image, store: Store, folder: Path, *, name: str) -> Image:
    """Writes the layout into `folder`, replacing the one that stands there, and returns the image as written.

    `name` is what engines call it (`temper/python:hardened`). The layout appears whole or not at all: it is
    made next to `folder` and renamed. Raises `StoreError` where the disk or the store fails.
    """
    parts = image.layers or split(image.rootfs)
    blobs = [layer_blob(layer, store, image.config.created) for layer in parts]
    names = [layer.name for layer in parts]
    config = compact(config_data(image.config, list(zip(names, blobs, strict=True))))
    manifest = compact(_manifest(config, blobs, dict(image.annotations)))
    with _replaced_as_a_whole(folder, store) as temporary:
        target = temporary / "blobs" / "sha256"
        target.mkdir(parents=True)
        for blob in blobs:
            link_blob(store, blob.digest, target / hexadecimal(blob.digest))
        for data in (config, manifest):
            (target / hashlib.sha256(data).hexdigest()).write_bytes(data)
        (temporary / "oci-layout").write_bytes(compact({"imageLayoutVersion": "1.0.0"}))
        (temporary / "index.json").write_bytes(compact(_index(manifest, image.config.platform, name)))
    return image.replace(
        layers=tuple(_as_written(*pair) for pair in zip(parts, blobs, strict=True)),
        history=tuple(f"temper: layer {name}" for name in names),
        digest=_digest(manifest),
        size=sum(blob.size for blob in blobs),
    )


def layer_files(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Where a definition's Dockerfile finds the layers: `layers/01-system.tar.gz`."""
    return tuple(f"layers/{number:02}-{layer.name}.tar.gz" for number, layer in enumerate(layers, 1))


def link_layers(image: Image, store: Store, folder: Path) -> tuple[str, ...]:
    """Puts the blobs of an assembled image into a definition's `layers/`; returns their names.

    Layers of an older build go away.
    """
    names = layer_files(image.layers)
    with _plain_errors(folder):
        target = folder / "layers"
        target.mkdir(parents=True, exist_ok=True)
        for older in target.glob("[0-9][0-9]-*.tar.gz"):
            older.unlink()
        for name, layer in zip(names, image.layers, strict=True):
            link_blob(store, layer.digest, folder / name)
    return names


def link_blob(store: Store, digest: str, target: Path) -> None:
    """A hard link, so that unchanged layers cost nothing; a copy where the store is on another disk."""
    source = store.blob(hexadecimal(digest))
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _as_written(layer: Layer, blob: Blob) -> Layer:
    return replace(layer, digest=blob.digest, diff_id=blob.diff_id)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def _manifest(config: bytes, blobs: Sequence[Blob], annotations: dict[str, str]) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor(CONFIG, config),
        "layers": [{"mediaType": LAYER, "digest": blob.digest, "size": blob.size} for blob in blobs],
    }
    return {**manifest, "annotations": annotations} if annotations else manifest


def _index(manifest: bytes, platform: str, name: str) -> dict[str, Any]:
    system, _, architecture = platform.partition("/")
    entry = {
        **_descriptor(MANIFEST, manifest),
        "platform": {"os": system, "architecture": architecture},
        "annotations": {"org.opencontainers.image.ref.name": name},
    }
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}


@contextmanager
def _plain_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(
            f"'{folder}': can't be written: {reason}; free room or choose another folder"
        ) from None


@contextmanager
def _replaced_as_a_whole(folder: Path, store: Store) -> Iterator[Path]:
    """A new folder that takes the place of `folder` when the block ends well, and is gone when it doesn't.

    One process at a time works on the same folder, and sweeps what a killed one left there.
    """
    folder = folder.absolute()
    fresh = folder.with_name(f".{folder.name}.partial")
    old = folder.with_name(f".{folder.name}.old")
    lock = hashlib.sha256(os.fsencode(folder)).hexdigest()
    with store.lock(f"layout-{lock}"), _plain_errors(folder):
        _refuse_foreign(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if old.exists() and not folder.exists():  # killed between the two renames below
            old.rename(folder)
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            fresh.mkdir()
            yield fresh
            _exchange(fresh, folder, old)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _exchange(fresh: Path, folder: Path, old: Path) -> None:
    if not folder.exists():
        fresh.rename(folder)
        return
    folder.rename(old)
    try:
        fresh.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _refuse_foreign(folder: Path) -> None:
    """What stands there is about to be removed: it had better be a layout."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"'{folder}': is not a folder; choose another place for the image")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "oci-layout").is_file():
        raise InputError(f"'{folder}': holds something else than an image; choose another folder for it")
