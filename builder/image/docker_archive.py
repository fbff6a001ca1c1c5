"""A layout's image as the stream that `docker load` takes: engines before Docker 25 can't read layouts.

Source: Docker image specification 1.2, "Combined Image JSON + Filesystem Changeset Format".
"""

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from builder.errors import ArchiveError
from builder.image.ahead import ahead
from builder.image.layout import Stored
from builder.image.streams import Span, packing_of, unpacked
from builder.image.tar import BLOCK, header
from builder.model.tree import Bytes, Entry, Kind, Slice

Sizes = Callable[[str], int | None]
"""How large the blob of a digest is uncompressed, where that is known."""


def unknown(_digest: str) -> None:
    """For layers that others wrote."""


def docker_archive(
    stored: Stored, *, packed: bool, sizes: Sizes = unknown, there: int = 0
) -> Generator[bytes, None, None]:
    """Untagged, so that nothing has a name before it is whole.

    The lowest layers that the engine has already are sent as empty files: it finds a layer by what the config
    says of it and of those below, before it opens its file.

    Blobs stay compressed with `packed`. Engines decompress on one thread, and slowly: nearby, it takes a
    quarter less time to send them their layers uncompressed, three times as long. Raises `ArchiveError` for a
    damaged blob, before the archive's end is sent. Layers of an archive have no digest to be held to: the
    engine compares what they unpack to with the config.
    """
    config = f"{stored.image_id.removeprefix('sha256:')}.json"
    names = [f"{number:03}/layer.tar" for number, _ in enumerate(stored.layers)]
    manifest = json.dumps([{"Config": config, "RepoTags": None, "Layers": names}]).encode()
    yield _file("manifest.json", manifest)
    yield _file(config, stored.config)
    for number, (name, span) in enumerate(zip(names, stored.layers, strict=True)):
        if number < there:
            yield _file(name, b"")
        elif packed:
            yield from _member(name, span.path, span.size, _checked(span))
        else:
            yield from _plain(name, span, sizes(span.name))
    yield bytes(2 * BLOCK)


def _plain(name: str, span: Span, size: int | None) -> Iterator[bytes]:
    """A header comes before its bytes: where nobody knows how many those are, the blob is read twice."""
    packing, count, digest = packing_of(span), 0, hashlib.sha256()
    if packing.kind == "none":
        yield from _member(name, span.path, span.size, _checked(span))
        return
    if size is None:
        size = sum(len(piece) for piece in unpacked(span, packing))
    with closing(ahead(unpacked(span, packing, digest=digest))) as pieces:
        yield header(_entry(name, Slice(path=span.path, offset=0, size=size, sha256="")), 0)
        for piece in pieces:
            count += len(piece)
            yield piece
    _check(span, digest.hexdigest())
    if count != size:
        raise ArchiveError(
            f"{span.problem_prefix}: unpacks to {count} bytes instead of {size}; build it again"
        )
    yield bytes(-size % BLOCK)


def _member(name: str, path: Path, size: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield header(_entry(name, Slice(path=path, offset=0, size=size, sha256="")), 0)
    yield from pieces
    yield bytes(-size % BLOCK)


def _entry(name: str, content: Bytes | Slice) -> Entry:
    return Entry(path=name, kind=Kind.FILE, mode=0o644, content=content)


def _file(name: str, data: bytes) -> bytes:
    return header(_entry(name, Bytes(data)), 0) + data + bytes(-len(data) % BLOCK)


def _checked(span: Span) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for chunk in span.chunks():
        digest.update(chunk)
        yield chunk
    _check(span, digest.hexdigest())


def _check(span: Span, found: str) -> None:
    if span.name.startswith("sha256:") and span.name != f"sha256:{found}":
        raise ArchiveError(
            f"{span.problem_prefix}: is damaged: its bytes are sha256:{found}; build the image again"
        )
