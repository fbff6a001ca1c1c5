"""A finished image's parts where they lie, before any layer is read; and what every blob is held to."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from builder.errors import ArchiveError
from builder.image.documents import Descriptor
from builder.image.streams import Span

MAX_JSON = 16 << 20
"""Bytes of a manifest or config that is read into memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A finished image's parts: what an engine needs to be given, in the order it needs them."""

    manifest: str
    """`sha256:...`; empty for an archive of `docker save`, which has none."""
    config: bytes
    """Verbatim: its digest is the image's id."""
    layers: tuple[Span, ...]
    """Lowest first."""
    annotations: tuple[tuple[str, str], ...] = ()

    @property
    def image_id(self) -> str:
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"


def blob_span(folder: Path, descriptor: Descriptor) -> Span:
    """Where a layout's blob lies; only its size is checked."""
    digest = descriptor.digest
    path = folder / "blobs" / "sha256" / digest.removeprefix("sha256:")
    try:
        there = path.stat().st_size
    except OSError as error:
        reason = str(error.strerror).lower()
        raise ArchiveError(f"'{path}': {digest}: can't be read: {reason}") from None
    if there != descriptor.size:
        raise ArchiveError(
            f"'{path}': {digest}: is damaged: it has {there} bytes instead of {descriptor.size}; "
            "build the image again"
        )
    return Span(path=path, offset=0, size=there, name=digest)


def blob_bytes(folder: Path, descriptor: Descriptor) -> bytes:
    span = blob_span(folder, descriptor)
    data = bytes_of(span.path, span.name)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if digest != span.name:
        raise ArchiveError(
            f"{span.problem_prefix}: is damaged: its bytes are {digest}; build the image again"
        )
    return data


def bytes_of(path: Path, name: str) -> bytes:
    try:
        if path.stat().st_size > MAX_JSON:
            raise ArchiveError(f"'{path}': {name}: is larger than {MAX_JSON} bytes")
        return path.read_bytes()
    except FileNotFoundError:
        raise ArchiveError(f"'{path}': {name}: not found; is this an OCI image layout?") from None
    except OSError as error:
        raise ArchiveError(f"'{path}': {name}: can't be read: {str(error.strerror).lower()}") from None
