"""An image in one tar: the archive that `docker save` (and Podman) writes, or a tar of an OCI layout.

Source: Docker image specification 1.2, "Combined Image JSON + Filesystem Changeset Format".
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import ArchiveError
from builder.image.documents import Saved, check, parse_json
from builder.image.seeking import Seeking
from builder.image.stored import Stored, bytes_of
from builder.image.streams import Span
from builder.model.tree import Content, Owner, Rootfs, Slice
from builder.rootfs.archive import read_layer
from builder.rootfs.members import Member

MANIFEST = "manifest.json"
"""What an archive of `docker save` is known by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Read as a tree of its own, since a layer may stand in it as a link to another."""

    path: Path
    tree: Rootfs
    shown: str = ""
    """What messages call it, where it is a copy that nobody knows of."""

    def __str__(self) -> str:
        return self.shown or str(self.path)

    def span(self, name: str, called: str) -> Span:
        entry = self.tree.resolve(name)
        if entry is None or not isinstance(entry.content, Slice):
            raise ArchiveError(f"'{self}': {called}: not found; is this the archive of an image?")
        content = entry.content
        return Span(path=self.path, offset=content.offset, size=content.size, name=called, shown=self.shown)


def read_tree(path: Path, shown: str = "") -> Rootfs:
    """The archive's members; their bytes stay where they are."""
    said = f"'{shown or path}'"

    def keep(member: Member, stream: Any) -> Content:  # noqa: ARG001 - only where they lie is kept
        return Slice(path=path, offset=member.offset, size=member.size, sha256="")

    try:
        with Seeking(path) as file:
            entries, _ = read_layer(file, said, Owner(kind="layer", name="archive"), keep)
    except OSError as error:
        raise ArchiveError(f"{said}: can't be read: {str(error.strerror).lower()}") from None
    return Rootfs().with_entries(entries)


def find_saved(archive: Archive) -> Stored:
    place = f"'{archive}': {MANIFEST}"
    images = parse_json(bytes_of(archive.span(MANIFEST, MANIFEST)), place)
    if not isinstance(images, list) or len(images) != 1:
        raise ArchiveError(f"{place}: holds not one image; save one at a time")
    saved = check(Saved, images[0], place)
    return Stored(
        manifest="",
        config=bytes_of(archive.span(saved.config, saved.config)),
        layers=tuple(archive.span(name, name) for name in saved.layers),
    )
