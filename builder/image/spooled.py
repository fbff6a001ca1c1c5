"""An archive that is compressed as a whole: unpacked into the store, for as long as it is looked at.

An image's parts are read where they lie, in any order, which compressed data does not allow.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.errors import ArchiveError
from builder.image.streams import HARMLESS, RATIO, Packing, Span, packing_of, unpacked
from builder.packages.store import Store, plain_errors
from builder.progress import Progress

LARGEST = 64 << 30
"""Bytes that any archive may unpack to: more than the largest images have."""
XZ = b"\xfd7zXZ"


@contextmanager
def spooled(path: Path, store: Store, progress: Progress) -> Iterator[Path]:
    """The archive that can be read from any place: `path` itself, or what it unpacks to.

    Raises `ArchiveError` for damage, and where it unpacks to more than an image would; `StoreError` where
    there is no room. The copy is gone when the block ends, however it does.
    """
    span, packing = packed(path)
    if packing.kind == "none":
        yield path
        return
    progress.stage(f"unpacking the archive {path}")
    with store.scratch() as (copy, file):
        limit, size = min(max(HARMLESS, RATIO * span.size), LARGEST), 0
        for piece in unpacked(span, packing):
            size += len(piece)
            if size > limit:
                raise ArchiveError(
                    f"'{path}': unpacks to more than {limit} bytes though it has only {span.size}, "
                    "as no image does that serves a purpose"
                )
            with plain_errors(store.root, copy):
                file.write(piece)
        with plain_errors(store.root, copy):
            file.flush()
        yield copy


def packed(path: Path) -> tuple[Span, Packing]:
    try:
        span = Span(path=path, offset=0, size=path.stat().st_size, name="the archive")
        with path.open("rb") as file:
            head = file.read(len(XZ))
    except OSError as error:
        raise ArchiveError(f"'{path}': can't be read: {str(error.strerror).lower()}") from None
    if head == XZ:
        raise ArchiveError(f"'{path}': is compressed with xz; unpack it with unxz first")
    return span, packing_of(span)
