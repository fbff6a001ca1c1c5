"""A finished image's parts where they lie, before any layer is read; and what every blob is held to."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from builder.errors import ArchiveError
from builder.image.documents import Config, Descriptor, parse
from builder.image.streams import Span

INDEX = "index.json"
"""What an OCI image layout is known by."""
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

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """What the config says that the layers are when unpacked. Raises `ArchiveError`."""
        return tuple(parse(Config, self.config, f"'{self.image_id}': config").diff_ids)


class Place(Protocol):
    """Where the files of a layout lie: a folder, or a tar of one. As text, what messages call it."""

    def span(self, name: str, called: str) -> Span:
        """The file `name`; raises `ArchiveError`, with `called` for its name, where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def span(self, name: str, called: str) -> Span:
        path = self.path / name
        try:
            return Span(path=path, offset=0, size=path.stat().st_size, name=called)
        except OSError as error:
            absent = name == INDEX and isinstance(error, FileNotFoundError)
            reason = f"can't be read: {str(error.strerror).lower()}"
            said = "not found; is this an OCI image layout?" if absent else reason
            raise ArchiveError(f"'{path}': {called}: {said}") from None


def blob_span(place: Place, descriptor: Descriptor) -> Span:
    """Where a layout's blob lies; only its size is checked."""
    digest = descriptor.digest
    span = place.span(f"blobs/sha256/{digest.removeprefix('sha256:')}", digest)
    if span.size != descriptor.size:
        raise ArchiveError(
            f"{span.problem_prefix}: is damaged: it has {span.size} bytes instead of {descriptor.size}; "
            "build the image again"
        )
    return span


def blob_bytes(place: Place, descriptor: Descriptor) -> bytes:
    span = blob_span(place, descriptor)
    data = bytes_of(span)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if digest != span.name:
        raise ArchiveError(
            f"{span.problem_prefix}: is damaged: its bytes are {digest}; build the image again"
        )
    return data


def bytes_of(span: Span) -> bytes:
    """For what is small: a manifest, a config."""
    if span.size > MAX_JSON:
        raise ArchiveError(f"{span.problem_prefix}: is larger than {MAX_JSON} bytes")
    return b"".join(span.chunks())
