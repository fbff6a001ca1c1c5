"""What the loader and the kernel need to know of a file: the ELF facts and the shebang.

pyelftools would answer the same in some 4 ms a file; an image holds hundreds, so the few tables are read
here directly, and the tests compare the two.
Source: System V gABI 4.1, chapters 4 and 5; Linux, fs/binfmt_script.c.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, Protocol

from builder.model.tree import NO_FACTS, Elf, Facts

MACHINES = {62: "x86_64", 183: "aarch64"}
HEAD = 256
"""Bytes of a script that Linux looks at (`BINPRM_BUF_SIZE`)."""

_LOAD, _DYNAMIC, _INTERP, _NOTE, _GNU_STACK = 1, 2, 3, 4, 0x6474E551
_BUILD_ID = 3
"""Type of the note `GNU` that holds it."""
_NEEDED, _STRTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH = 1, 5, 10, 14, 15, 29
_NAMES = (_NEEDED, _SONAME, _RPATH, _RUNPATH)
_LONGEST = 4096
"""Bytes of a name or a search path; of one that is longer the whole table is read."""
_MAX_SEGMENTS = 4096
_MAX_NOTES = 64 << 10
"""Bytes of a note segment; those of real programs stay below 1 KiB."""
_MAX_TABLE = 16 << 20
"""Bytes of a dynamic section or a string table; the largest CUDA libraries stay below 1 MiB."""

_READ_WHOLE = {_DYNAMIC: _MAX_TABLE, _INTERP: _MAX_TABLE, _NOTE: _MAX_NOTES}


class _ElfError(ValueError):
    """Only that the file is damaged matters, not how."""


def is_interesting(head: bytes) -> bool:
    """Whether a file that begins so can have facts at all: the first 4 bytes tell."""
    return head.startswith((b"\x7fELF", b"#!"))


class Seekable(Protocol):
    """What of a file is needed."""

    def seek(self, offset: int, /) -> int: ...
    def read(self, size: int, /) -> bytes: ...


def facts(file: BinaryIO) -> Facts:
    """Looks at a whole file."""
    return facts_within(file, 0, file.seek(0, 2))


def facts_within(file: Seekable, start: int, size: int) -> Facts:
    """Looks at the `size` bytes of a file that begin at `start`.

    An ELF file that is damaged, so that no loader would take it, has no facts.
    """
    window = _Window(file, start, size)
    head = window.head()
    if head.startswith(b"#!"):
        return Facts(shebang=_shebang(head))
    if head.startswith(b"\x7fELF"):
        with suppress(_ElfError, struct.error):
            return Facts(elf=_elf(window, head))
    return NO_FACTS


_PREFIX = 24 << 20
_SEGMENT = 8 << 20
"""libtorch_cpu's table of strings has 5 MB, somewhere in its last segment."""
_KEPT = 64 << 20


def ranges(head: bytes, size: int) -> tuple[tuple[int, int], ...]:
    """Where `facts` will look in a file of `size` bytes that begins so, as far as its beginning tells.

    The dynamic section, and the beginnings of what is loaded: the string table lies there, near the front as
    linkers write it, or in one of the last segments where a tool like patchelf moved it. Where the table of
    segments itself was moved behind the rest, both ends of the file. Never more than 64 MiB; a file of no
    more than 8 MiB is looked at whole.
    """
    if head.startswith(b"#!"):
        return ((0, len(head)),)
    if size <= _SEGMENT:
        return ((0, size),)
    try:
        _, segments = _segments(_Window(BytesIO(head), 0, len(head)), head)
    except (_ElfError, struct.error):
        return _merged([(0, min(_PREFIX, size)), (max(size - (_KEPT - _PREFIX), 0), size)])
    loaded = [one for one in segments if one.kind == _LOAD]
    front = min([*(one.offset + one.size for one in loaded[:1]), _PREFIX])
    found = [(0, front)]
    for segment in segments:
        if segment.kind in _READ_WHOLE:
            found += [(segment.offset, segment.offset + min(segment.size, _READ_WHOLE[segment.kind]))]
    behind = [one for one in reversed(loaded) if one.offset + one.size > front]
    found += [(one.offset, one.offset + min(one.size, _SEGMENT)) for one in behind]
    kept, left = [], _KEPT
    for start, end in found:
        if end - start <= left:
            kept.append((start, end))
            left -= end - start
    return _merged(kept)


def _merged(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """In order, and one where they touch: a read may go from one into the next."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _shebang(head: bytes) -> str:
    line = head[2:HEAD].split(b"\n", 1)[0]
    return line.decode("utf-8", "backslashreplace").strip()


@dataclass(frozen=True, slots=True)
class _Window:
    """The file as a part of a larger one."""

    file: Seekable
    start: int
    size: int

    def head(self) -> bytes:
        self.file.seek(self.start)
        return self.file.read(min(HEAD, self.size))

    def read(self, offset: int, size: int) -> bytes:
        if size > _MAX_TABLE or offset + size > self.size:
            raise _ElfError
        self.file.seek(self.start + offset)
        data = self.file.read(size)
        if len(data) < size:
            raise _ElfError
        return data


@dataclass(frozen=True, slots=True)
class _Form:
    """32 or 64 bits and a byte order, as the formats of the tables."""

    order: str
    wide: bool

    def header(self, head: bytes) -> tuple[int, int, int, int]:
        """Machine, and offset, size and number of the program headers."""
        layout = "16x2xH4x8xQ8x4x2xHH" if self.wide else "16x2xH4x4xI4x4x2xHH"
        machine, offset, size, count = struct.unpack_from(self.order + layout, head)
        return machine, offset, size, count

    def segment(self, data: bytes, at: int) -> "_Segment":
        if self.wide:
            kind, flags, offset, address, size = struct.unpack_from(self.order + "IIQQ8xQ", data, at)
        else:
            kind, offset, address, size, flags = struct.unpack_from(self.order + "III4xI4xI", data, at)
        return _Segment(kind, flags, offset, address, size)

    def tags(self, data: bytes) -> Iterator[tuple[int, int]]:
        pair = struct.Struct(self.order + ("qQ" if self.wide else "iI"))
        for tag, value in pair.iter_unpack(data[: len(data) // pair.size * pair.size]):
            if tag == 0:
                return
            yield tag, value


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    flags: int
    offset: int
    address: int
    size: int


def _form(head: bytes) -> _Form:
    if len(head) < 52 or head[4] not in (1, 2) or head[5] not in (1, 2):
        raise _ElfError
    return _Form("<" if head[5] == 1 else ">", head[4] == 2)


def _segments(file: _Window, head: bytes) -> tuple[_Form, list[_Segment]]:
    form = _form(head)
    _, offset, size, count = form.header(head)
    if not count:
        return form, []
    if size < (56 if form.wide else 32) or count > _MAX_SEGMENTS:
        raise _ElfError
    table = file.read(offset, size * count)
    return form, [form.segment(table, at) for at in range(0, size * count, size)]


def _elf(file: _Window, head: bytes) -> Elf:
    form, segments = _segments(file, head)
    machine = form.header(head)[0]
    tags = list(form.tags(_segment_data(file, segments, _DYNAMIC)))
    strings = _strings(file, segments, tags)
    soname = [strings.at(value) for tag, value in tags if tag == _SONAME]
    interpreter = _segment_data(file, segments, _INTERP)
    return Elf(
        machine=MACHINES.get(machine, str(machine)),
        needed=tuple(strings.at(value) for tag, value in tags if tag == _NEEDED),
        soname=soname[0] if soname else None,
        rpath=_folders(strings, tags, _RPATH),
        runpath=_folders(strings, tags, _RUNPATH),
        interpreter=_Strings(interpreter).at(0) if interpreter else None,
        executable_stack=any(s.kind == _GNU_STACK and s.flags & 1 for s in segments),
        build_id=_build_id(file, segments, form),
    )


def _build_id(file: _Window, segments: list[_Segment], form: _Form) -> str:
    """Empty where there is none, or where the notes are damaged: no loader looks at them.

    Notes are aligned to 4 bytes; those that are to 8 are as long as makes no difference.
    """
    head = struct.Struct(form.order + "III")
    for segment in segments:
        if segment.kind != _NOTE or segment.size > _MAX_NOTES:
            continue
        with suppress(_ElfError, struct.error):
            data, at = file.read(segment.offset, segment.size), 0
            while at + head.size <= len(data):
                name, size, kind = head.unpack_from(data, at)
                start = at + head.size + (name + 3 & ~3)
                if kind == _BUILD_ID and data[at + head.size :][:name] == b"GNU\0":
                    return data[start : start + size].hex()
                at = start + (size + 3 & ~3)
    return ""


def _segment_data(file: _Window, segments: list[_Segment], kind: int) -> bytes:
    found = next((segment for segment in segments if segment.kind == kind), None)
    return file.read(found.offset, found.size) if found else b""


@dataclass(frozen=True, slots=True)
class _Strings:
    """The part of a table of strings that is asked for."""

    data: bytes
    first: int = 0
    """Where in the table it begins."""

    def at(self, offset: int) -> str:
        end = self.data.find(b"\0", offset - self.first)
        if end < 0:
            raise _ElfError
        return self.data[offset - self.first : end].decode("utf-8", "backslashreplace")


def _strings(file: _Window, segments: list[_Segment], tags: list[tuple[int, int]]) -> _Strings:
    """Of the dynamic string table. It holds the names of all symbols, 13 MB in libtriton; what is asked for
    lies together, as linkers write it."""
    told, wanted = dict(tags), [value for tag, value in tags if tag in _NAMES]
    if _STRTAB not in told or not wanted:
        return _Strings(b"")
    start, size = _strings_at(segments, told), told.get(_STRSZ, 0)
    first, last = min(wanted), max(wanted)
    if size > _MAX_TABLE or start + size > file.size or last >= size:
        raise _ElfError
    end = min(last + _LONGEST, size)
    found = file.read(start + first, end - first)
    if b"\0" not in found[last - first :]:
        found = file.read(start + first, size - first)
    return _Strings(found, first)


def _strings_at(segments: list[_Segment], tags: dict[int, int]) -> int:
    """Known by its address in memory, so through the segment loaded there."""
    address = tags[_STRTAB]
    for segment in segments:
        if segment.kind == _LOAD and segment.address <= address < segment.address + segment.size:
            return segment.offset + address - segment.address
    raise _ElfError


def is_relative(folder: str) -> bool:
    """Whether it means a folder below the working directory, whatever that is."""
    return not folder.startswith(("/", "$ORIGIN", "${ORIGIN}"))


Patch = tuple[int, bytes]
"""Offset in the file, and what to write there."""


def without_relative(file: BinaryIO, start: int, size: int) -> tuple[Patch, ...]:
    """What to overwrite so that a sound ELF file searches libraries in no relative folder.

    Its search paths are shortened where they stand: the loader ends one at a zero byte, and skips an empty
    one.
    """
    window = _Window(file, start, size)
    form, segments = _segments(window, window.head())
    tags = [*form.tags(_segment_data(window, segments, _DYNAMIC))]
    strings, patches = _strings(window, segments, tags), []
    for tag, at in tags:
        if tag not in (_RPATH, _RUNPATH):
            continue
        said = strings.at(at)
        kept = ":".join(folder for folder in said.split(":") if not is_relative(folder))
        if kept != said:
            place = _strings_at(segments, dict(tags)) + at
            patches.append((place, kept.encode().ljust(len(said.encode()), b"\0")))
    return tuple(patches)


def _folders(strings: _Strings, tags: list[tuple[int, int]], wanted: int) -> tuple[str, ...]:
    """An empty folder between two colons is the working directory, as it is to the loader."""
    paths = (strings.at(value) for tag, value in tags if tag == wanted)
    return tuple(folder or "." for path in paths if path for folder in path.split(":"))
