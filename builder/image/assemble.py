"""The finished image on disk: an OCI image layout, the same bytes for one image everywhere."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.image.compress import Blob
from builder.image.config import CONFIG, INDEX, LAYER, MANIFEST, compact, config_data
from builder.image.folder import plain_errors, replaced_as_a_whole
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
    with replaced_as_a_whole(folder, store, marker="oci-layout") as temporary:
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
    """Puts the blobs of an image whose layers are in the store into a definition's `layers/`.

    Returns their names there. Layers of an older build go away.
    """
    names = layer_files(image.layers)
    with plain_errors(folder):
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
    return replace(layer, digest=blob.digest, diff_id=blob.diff_id, size=blob.size)


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
