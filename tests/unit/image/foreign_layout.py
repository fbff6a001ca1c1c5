"""Layouts as other tools write them, and as nobody should."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

OCI = "application/vnd.oci.image"


def tar_of(files: Mapping[str, bytes | None], **attributes: Any) -> bytes:
    """A tar with these files, in this order; `None` makes a folder; attributes are of every member."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            if data is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            else:
                info.size = len(data)
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data or b""))
    return out.getvalue()


def write_layout(
    folder: Path,
    layers: Sequence[tuple[bytes, bytes]],
    *,
    layer_type: str = f"{OCI}.layer.v1.tar+gzip",
    config_type: str = f"{OCI}.config.v1+json",
    manifest_type: str = f"{OCI}.manifest.v1+json",
    steps: Sequence[str] = (),
    **config: Any,
) -> Path:
    """`layers` are what is stored, and the tar that it unpacks to."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def put(data: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    settings = {
        "os": "linux",
        "architecture": "amd64",
        "created": "2026-01-02T03:04:05Z",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(plain)}" for _, plain in layers]},
        "history": [{"created_by": step} for step in steps],
        **config,
    }
    manifest = {
        "schemaVersion": 2,
        "config": put(json.dumps(settings).encode(), config_type),
        "layers": [put(stored, layer_type) for stored, _ in layers],
    }
    index = {"schemaVersion": 2, "manifests": [put(json.dumps(manifest).encode(), manifest_type)]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return folder


def plain_layout(folder: Path, *layers: bytes, **config: Any) -> Path:
    return write_layout(folder, [(data, data) for data in layers], **config)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
