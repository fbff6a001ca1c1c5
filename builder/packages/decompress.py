"""The compressions that Debian packages use, as streams of bounded size.

The decoders are imported when they are needed: nearly every package is .xz, and a warm build needs none.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, cast

from builder.errors import ArchiveError
from builder.model.tree import Slice

CHUNK = 1 << 20
XZ_MEMORY = 256 << 20
"""Bytes for one decoder; `xz -9`, the most that packages use, needs 65 MiB."""

Decoder = Callable[[BinaryIO], Iterator[bytes]]


class DamageError(ValueError):
    """A decoder can't go on."""


def decompressed(source: Slice, name: str, archive: str, limit: int) -> Iterator[bytes]:
    """The plain bytes of `source`, whose compression the end of `name` tells.

    Raises `ArchiveError`, beginning with `archive`, for damage, or once more than `limit` bytes came out.
    """
    _, dot_tar, suffix = name.partition(".tar")
    if not dot_tar or suffix not in DECODERS:
        known = ", ".join(f"'.tar{suffix}'" for suffix in DECODERS)
        raise ArchiveError(f"{archive}: this compression is not supported; known are {known}")
    total = 0
    with source.open() as stream:
        try:
            for chunk in DECODERS[suffix](stream):
                total += len(chunk)
                if total > limit:
                    raise ArchiveError(
                        f"{archive}: its {source.size} bytes expand to more than the {limit} that are allowed"
                    )
                yield chunk
        except DamageError:
            raise ArchiveError(f"{archive}: is damaged or cut off") from None


def _plain(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _xz(stream: BinaryIO) -> Iterator[bytes]:
    """One stream, as dpkg reads it."""
    import lzma  # noqa: PLC0415

    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
    try:
        while not decoder.eof:
            data = stream.read(CHUNK) if decoder.needs_input else b""
            if decoder.needs_input and not data:
                raise DamageError
            yield decoder.decompress(data, CHUNK)
    except lzma.LZMAError:
        raise DamageError from None
    if decoder.unused_data or stream.read(1):
        raise DamageError


def _gz(stream: BinaryIO) -> Iterator[bytes]:
    import gzip  # noqa: PLC0415
    import zlib  # noqa: PLC0415

    try:
        with gzip.GzipFile(fileobj=stream) as decoder:
            yield from _plain(cast(BinaryIO, decoder))
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise DamageError from None


def _zst(stream: BinaryIO) -> Iterator[bytes]:
    import zstandard  # noqa: PLC0415

    try:
        with zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True) as decoder:
            yield from _plain(cast(BinaryIO, decoder))
    except zstandard.ZstdError:
        raise DamageError from None


DECODERS: Mapping[str, Decoder] = {"": _plain, ".gz": _gz, ".xz": _xz, ".zst": _zst}
"""By what follows `.tar`."""
