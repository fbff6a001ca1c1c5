"""The archive that `docker save` (and Podman) writes: an image's parts as members of one tar.

Source: Docker image specification 1.2, "Combined Image JSON + Filesystem Changeset Format".
"""

from pathlib import Path
from typing import Any

from builder.errors import ArchiveError
from builder.image.documents import Saved, check, parse_json
from builder.image.stored import MAX_JSON, Stored
from builder.image.streams import GZIP, ZSTD, Span
from builder.model.tree import Content, Owner, Rootfs, Slice
from builder.rootfs.archive import read_layer
from builder.rootfs.members import Member

PACKED = ((GZIP, "gzip", "gunzip"), (ZSTD, "zstd", "unzstd"), (b"\xfd7zXZ", "xz", "unxz"))


def find_in_archive(path: Path) -> Stored:
    """The archive is read as a tree of its own, since a layer may stand in it as a link to another."""
    tree = _tree(path)
    place = f"'{path}': manifest.json"
    images = parse_json(_member(tree, path, "manifest.json"), place)
    if not isinstance(images, list) or len(images) != 1:
        raise ArchiveError(f"{place}: holds not one image; save one at a time")
    saved = check(Saved, images[0], place)
    return Stored(
        manifest="",
        config=_member(tree, path, saved.config),
        layers=tuple(_member_span(tree, path, name) for name in saved.layers),
    )


def _tree(path: Path) -> Rootfs:
    def keep(member: Member, stream: Any) -> Content:  # noqa: ARG001 - the bytes stay where they are
        return Slice(path=path, offset=member.offset, size=member.size, sha256="")

    try:
        with path.open("rb") as file:
            _refuse_packed(path, file.read(6))
            file.seek(0)
            entries, _ = read_layer(file, f"'{path}'", Owner(kind="layer", name="archive"), keep)
    except OSError as error:
        raise ArchiveError(f"'{path}': can't be read: {str(error.strerror).lower()}") from None
    return Rootfs().with_entries(entries)


def _refuse_packed(path: Path, head: bytes) -> None:
    """Its layers are read where they lie, which takes an archive that can be read from any place."""
    for magic, name, program in PACKED:
        if head.startswith(magic):
            raise ArchiveError(f"'{path}': is compressed with {name}; unpack it with {program} first")


def _member_span(tree: Rootfs, path: Path, name: str) -> Span:
    entry = tree.resolve(name)
    if entry is None or not isinstance(entry.content, Slice):
        raise ArchiveError(f"'{path}': {name}: not found; is this an archive of 'docker save'?")
    return Span(path=path, offset=entry.content.offset, size=entry.content.size, name=name)


def _member(tree: Rootfs, path: Path, name: str) -> bytes:
    span = _member_span(tree, path, name)
    if span.size > MAX_JSON:
        raise ArchiveError(f"'{path}': {name}: is larger than {MAX_JSON} bytes")
    return b"".join(span.chunks())
