"""Where two layers that should be the same begin to differ: entry, field, byte."""

import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import zip_longest

from builder.errors import ArchiveError
from builder.image.streams import Joined, Span, packing_of, unpacked

FIELDS = ("type", "mode", "uid", "gid", "size", "mtime", "linkname", "pax_headers")
PIECE = 1 << 16


def first_difference(theirs: Span, ours: Span) -> str:
    """In words; both are read no further than to there. Raises `ArchiveError` for what is no layer."""
    try:
        with ExitStack() as stack:
            readers = [stack.enter_context(_reader(span)) for span in (theirs, ours)]
            for pair in zip_longest(*map(_members, readers)):
                said = _between(*pair)
                if said:
                    return said
    except tarfile.TarError as error:
        raise ArchiveError(f"a layer can't be read: {error}") from None
    return "the files are the same, their compression is not: by another compressor, or another version"


Member = tuple[tarfile.TarInfo, tarfile.TarFile]


def _reader(span: Span) -> tarfile.TarFile:
    stream = Joined(unpacked(span, packing_of(span)))
    return tarfile.open(fileobj=stream, mode="r|")


def _members(reader: tarfile.TarFile) -> Iterator[Member]:
    for member in reader:
        yield member, reader


def _between(theirs: Member | None, ours: Member | None) -> str:
    if theirs is None or ours is None:
        left, who = (ours, "only ours") if theirs is None else (theirs, "only theirs")
        assert left is not None  # noqa: S101 - zip_longest ends with the longer one
        return f"/{left[0].name}: {who} has it"
    (their, reader), (our, own) = theirs, ours
    if their.name != our.name:
        return f"/{their.name}: is followed by another entry than ours, /{our.name}"
    for name in FIELDS:
        was, now = getattr(their, name), getattr(our, name)
        if was != now:
            shown = (f"{was:04o}", f"{now:04o}") if name == "mode" else (str(was), str(now))
            return f"/{their.name}: {name}: theirs is {shown[0]}, ours {shown[1]}"
    return _in_content(their, reader, our, own) if their.isreg() else ""


def _in_content(
    their: tarfile.TarInfo, reader: tarfile.TarFile, our: tarfile.TarInfo, own: tarfile.TarFile
) -> str:
    """Of two files of the same size."""
    one, other = reader.extractfile(their), own.extractfile(our)
    assert one is not None  # noqa: S101 - they are files
    assert other is not None  # noqa: S101
    for start in range(0, their.size, PIECE):
        was, now = one.read(PIECE), other.read(PIECE)
        if was != now:
            inside = next(n for n, (a, b) in enumerate(zip_longest(was, now)) if a != b)
            return f"/{their.name}: byte {start + inside} differs"
    return ""
