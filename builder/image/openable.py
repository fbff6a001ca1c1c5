"""Layers whose files can be opened in any order.

A gzip stream of one piece can only be read from its beginning: opening each file of a layer in turn would
decompress it as many times as it has files.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from builder.image.packed import Packed, Undigested, packed_in
from builder.image.streams import Packing, Span, unpacked
from builder.model.image import Image
from builder.model.tree import Content, Entry, Rootfs, Slice, Unhashed
from builder.packages.store import Store, plain_errors

FAR = 4 << 20
"""Bytes that may have to be decompressed to come to a file; our own layers begin anew after each MiB."""


@contextmanager
def openable(image: Image, store: Store) -> Iterator[Image]:
    """The image, its tree's contents lying uncompressed in the store for the time of the block where they
    could not be opened one by one. The room on the disk is bounded as the reading of the layers was.

    Raises `StoreError` where the disk is full, `ArchiveError` where a layer was damaged in the meantime.
    """
    with ExitStack() as stack:
        spools: dict[Span, Path] = {}

        def plain(entry: Entry) -> Entry:
            packed = packed_in(entry.content)
            if packed is None or not _is_far(packed.packing, packed.span):
                return entry
            if packed.span not in spools:
                spools[packed.span] = stack.enter_context(_spooled(packed.span, packed.packing, store))
            return entry.replace(content=_in_spool(entry.content, packed, spools[packed.span]))

        entries = {path: plain(entry) for path, entry in image.rootfs.items()}
        yield image.replace(rootfs=Rootfs(entries)) if spools else image


def _is_far(packing: Packing, span: Span) -> bool:
    """Whether somewhere in the layer the next place to begin is far away."""
    ends = [*packing.packed[1:], span.size]
    return any(end - begin > FAR for begin, end in zip(packing.packed, ends, strict=True))


def _in_spool(content: Content | None, packed: Packed, path: Path) -> Content:
    offset, size, facts = packed.offset, packed.size, packed.facts
    if isinstance(content, Undigested):
        return Unhashed(path=path, offset=offset, size=size, facts=facts)
    return Slice(path=path, offset=offset, size=size, sha256=packed.sha256, facts=facts)


@contextmanager
def _spooled(span: Span, packing: Packing, store: Store) -> Iterator[Path]:
    with store.scratch() as (path, file):
        with closing(unpacked(span, Packing(kind=packing.kind))) as pieces:
            for piece in pieces:
                with plain_errors(store.root, path):
                    file.write(piece)
        with plain_errors(store.root, path):
            file.flush()
        yield path
