"""Finished images read back from disk, trusting nothing: every digest and size is checked.

An OCI image layout (OCI image-spec 1.1, image-layout.md) as a folder or as a tar of it, or the archive that
`docker save` writes.
"""

import platform as host
from collections.abc import Iterator, Sequence
from pathlib import Path

from builder.errors import ArchiveError, InputError
from builder.image.documents import (
    CONFIGS,
    INDEXES,
    LAYERS,
    MANIFESTS,
    Config,
    Descriptor,
    Index,
    Manifest,
    parse,
)
from builder.image.memory import Memory
from builder.image.reading import read_image
from builder.image.saved import MANIFEST, Archive, find_saved, read_tree
from builder.image.stored import INDEX, Folder, Place, Stored, blob_bytes, blob_span, bytes_of
from builder.model.image import Image

__all__ = ["Stored", "find_image", "find_in_archive", "read_archive", "read_image", "read_layout"]

MAX_DEPTH = 8
"""Indexes in indexes; tools write two at most."""
MAX_MANIFESTS = 1000
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def read_layout(folder: Path, platform: str | None = None, memory: Memory | None = None) -> Image:
    """The image of a layout, `platform` (`linux/arm64`) telling which where it holds several.

    Each layer that `memory` doesn't know is read once, as a stream. What is unsafe in a layer stands in its
    `problems`; damage raises `ArchiveError` that names the blob, a platform that isn't there `InputError`.
    """
    return read_image(find_image(folder, platform), memory)


def read_archive(path: Path, platform: str | None = None) -> Image:
    """The image of an archive: of `docker save`, or a tar of an OCI layout."""
    return read_image(find_in_archive(path, platform))


def find_in_archive(path: Path, platform: str | None = None, shown: str = "") -> Stored:
    """The image's parts, where they lie in the archive. `shown` is what messages call it.

    One of `docker save` holds one image, whatever its platform; newer engines write a layout beside it.
    """
    archive = Archive(path=path, tree=read_tree(path, shown), shown=shown)
    if MANIFEST in archive.tree or INDEX not in archive.tree:
        return find_saved(archive)
    return find_in(archive, platform)


def find_image(folder: Path, platform: str | None = None) -> Stored:
    """The manifest, config and layers of a layout; of the layers only their sizes are checked here."""
    return find_in(Folder(folder), platform)


def find_in(folder: Place, platform: str | None) -> Stored:
    index = parse(Index, bytes_of(folder.span(INDEX, INDEX)), f"'{folder}': {INDEX}")
    descriptor = _choose(folder, list(_manifests(folder, index)), platform)
    manifest = _manifest(folder, descriptor)
    _expect(folder, manifest.config, CONFIGS, "is not a container image")
    for layer in manifest.layers:
        _expect(folder, layer, LAYERS, "can't be read as a layer")
    return Stored(
        manifest=descriptor.digest,
        config=blob_bytes(folder, manifest.config),
        layers=tuple(blob_span(folder, layer) for layer in manifest.layers),
        annotations=tuple(sorted(manifest.annotations.items())),
    )


def _manifest(folder: Place, descriptor: Descriptor) -> Manifest:
    _expect(folder, descriptor, MANIFESTS, "is not an image")
    return parse(Manifest, blob_bytes(folder, descriptor), f"'{folder}': {descriptor.digest}")


def _expect(folder: Place, descriptor: Descriptor, known: Sequence[str], what: str) -> None:
    if descriptor.media_type and descriptor.media_type not in known:
        raise ArchiveError(
            f"'{folder}': {descriptor.digest}: {what}: its media type is '{descriptor.media_type}'"
        )


def _manifests(folder: Place, index: Index, depth: int = 1) -> Iterator[Descriptor]:
    """Descriptors of images, those of nested indexes too; attestations (no platform) are passed over."""
    if depth > MAX_DEPTH or len(index.manifests) > MAX_MANIFESTS:
        raise ArchiveError(f"'{folder}': index.json: names more indexes or images than anybody would")
    for descriptor in index.manifests:
        if descriptor.media_type in INDEXES:
            place = f"'{folder}': {descriptor.digest}"
            yield from _manifests(folder, parse(Index, blob_bytes(folder, descriptor), place), depth + 1)
        elif descriptor.platform is None or descriptor.platform.architecture != "unknown":
            yield descriptor


def _choose(folder: Place, found: Sequence[Descriptor], platform: str | None) -> Descriptor:
    if not found:
        raise ArchiveError(f"'{folder}': index.json: names no image")
    if platform is None and len(found) == 1:
        return found[0]
    wanted = platform or f"linux/{_MACHINES.get(host.machine(), host.machine())}"
    platforms = [_platform(folder, descriptor) for descriptor in found]
    if wanted in platforms:
        return found[platforms.index(wanted)]
    there = ", ".join(sorted({f"'{name}'" for name in platforms}))
    raise InputError(f"'{folder}': holds no image for '{wanted}'; it holds {there}")


def _platform(folder: Place, descriptor: Descriptor) -> str:
    """As the index says, else as the image's own config does: the platform is optional in an index."""
    if descriptor.platform is not None:
        return str(descriptor.platform)
    config = _manifest(folder, descriptor).config
    return str(parse(Config, blob_bytes(folder, config), f"'{folder}': {config.digest}"))
