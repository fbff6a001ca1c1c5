"""Layers of a manifest whose tag follows from an image's digest: signatures, attestations."""

from dataclasses import dataclass
from typing import Any

from builder.errors import ArchiveError
from builder.image.config import CONFIG, MANIFEST, compact
from builder.image.documents import Manifest, parse
from builder.registry.client import Registry
from builder.registry.push import Document
from builder.registry.upload import Blob

MOST = 100
"""Layers of one such manifest that are looked at."""
LARGEST = 64 << 20
"""Bytes of one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """One layer."""

    media_type: str
    data: bytes
    annotations: tuple[tuple[str, str], ...]

    @property
    def blob(self) -> Blob:
        return Blob.of(self.data)

    @property
    def descriptor(self) -> dict[str, Any]:
        blob = self.blob
        return {
            "mediaType": self.media_type,
            "digest": blob.digest,
            "size": blob.size,
            "annotations": dict(self.annotations),
        }


async def attached(registry: Registry, tag: str, kind: str) -> tuple[Attached, ...]:
    """Those of a kind that lie under the tag; none where there is no such tag.

    Raises `RefusedError`, and `ArchiveError` for what isn't what its digest says.
    """
    data = await registry.manifest(tag, (MANIFEST,))
    if data is None:
        return ()
    place = f"'{registry.reference.host}': {tag}"
    manifest = parse(Manifest, data, place)
    if len(manifest.layers) > MOST:
        raise ArchiveError(f"{place}: has more than {MOST} layers")
    found = []
    for layer in manifest.layers:
        if layer.media_type == kind:
            if layer.size > LARGEST:
                raise ArchiveError(f"{place}: {layer.digest}: is larger than {LARGEST} bytes")
            text = await registry.blob(layer.digest, layer.size)
            annotations = tuple(sorted(layer.annotations.items()))
            found.append(Attached(media_type=kind, data=text, annotations=annotations))
    return tuple(found)


def manifest_of(layers: tuple[Attached, ...], kind: str, subject: Document) -> tuple[Blob, Document]:
    """The config and the manifest, in the form that cosign writes."""
    diff_ids = [layer.blob.digest for layer in layers]
    config = Blob.of(
        compact(
            {"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
        )
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": {"mediaType": CONFIG, "digest": config.digest, "size": config.size},
        "layers": [layer.descriptor for layer in layers],
        "subject": subject.descriptor,
    }
    return config, Document(media_type=MANIFEST, data=compact(manifest))
