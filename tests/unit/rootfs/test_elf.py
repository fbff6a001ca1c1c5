"""The ELF facts against pyelftools' on real files, and on files that lie."""

import io
import struct
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given
from hypothesis import strategies as st

from builder.model.tree import NO_FACTS, Elf, Facts
from builder.rootfs.elf import facts, facts_within, is_interesting, is_relative, ranges, without_relative

REAL = [Path(sys.executable).resolve(), *Path(sysconfig.get_paths()["stdlib"], "lib-dynload").glob("*.so")][
    :12
]


def expected(path: Path) -> Elf:
    with path.open("rb") as file:
        elf = ELFFile(file)
        dynamic = next(segment for segment in elf.iter_segments("PT_DYNAMIC"))
        tags = {"DT_NEEDED": [], "DT_SONAME": [], "DT_RPATH": [], "DT_RUNPATH": []}
        for tag in dynamic.iter_tags():
            if tag.entry.d_tag in tags:
                tags[tag.entry.d_tag].append(getattr(tag, tag.entry.d_tag[3:].lower()))
        interpreters = [segment.get_interp_name() for segment in elf.iter_segments("PT_INTERP")]
        stack = next(segment for segment in elf.iter_segments("PT_GNU_STACK"))
        return Elf(
            machine={"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}[elf["e_machine"]],
            needed=tuple(tags["DT_NEEDED"]),
            soname=next(iter(tags["DT_SONAME"]), None),
            rpath=tuple(folder for path in tags["DT_RPATH"] for folder in path.split(":")),
            runpath=tuple(folder for path in tags["DT_RUNPATH"] for folder in path.split(":")),
            interpreter=next(iter(interpreters), None),
            executable_stack=bool(stack["p_flags"] & 1),
            build_id=next(iter(build_ids(elf)), ""),
        )


def build_ids(elf: ELFFile) -> Iterator[str]:
    for segment in elf.iter_segments("PT_NOTE"):
        for note in segment.iter_notes():
            if note["n_type"] == "NT_GNU_BUILD_ID":
                yield note["n_desc"]


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_says_what_pyelftools_says(path: Path) -> None:
    with path.open("rb") as file:
        assert facts(file) == Facts(elf=expected(path))


STRINGS = b"\0libc.so.6\0libm.so.6\0self.so\0$ORIGIN::/opt/lib\0"


def elf(
    *,
    wide: bool = True,
    order: str = "<",
    machine: int = 62,
    flags: int = 6,
    tags: dict[int, int] | None = None,
    strings: bytes = STRINGS,
) -> bytes:
    """A file with the three segments that count: all of it loaded at 0x1000, dynamic, stack."""
    found = tags if tags is not None else {1: 1, 14: 21, 29: 29, 5: 0x1000 + 512, 10: len(strings)}
    pair = struct.Struct(order + ("qQ" if wide else "iI"))
    dynamic = b"".join(pair.pack(*tag) for tag in [*found.items(), (0, 0)])
    segments = [(1, 4, 0, 0x1000, 600), (2, 4, 256, 0x1100, len(dynamic)), (0x6474E551, flags, 0, 0, 0)]
    if wide:
        head = struct.pack(order + "HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0)
        table = b"".join(
            struct.pack(order + "IIQQQQQQ", k, f, o, a, a, s, s, 1) for k, f, o, a, s in segments
        )
    else:
        head = struct.pack(order + "HHIIIIIHHHHHH", 3, machine, 1, 0, 52, 0, 0, 52, 32, 3, 0, 0, 0)
        table = b"".join(
            struct.pack(order + "IIIIIIII", k, o, a, a, s, s, f, 1) for k, f, o, a, s in segments
        )
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    return (ident + head + table).ljust(256, b"\0") + dynamic.ljust(256, b"\0") + strings.ljust(100, b"\0")


def facts_of(data: bytes) -> Facts:
    return facts(io.BytesIO(data))


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_reads_both_widths_and_byte_orders(wide: bool, order: str) -> None:
    assert facts_of(elf(wide=wide, order=order)) == Facts(
        elf=Elf(
            machine="x86_64",
            needed=("libc.so.6",),
            soname="self.so",
            runpath=("$ORIGIN", ".", "/opt/lib"),
        )
    )


class Noted(io.BytesIO):
    """Knows the size of what was read at once."""

    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.largest = max(self.largest, size or 0)
        return super().read(size)


@pytest.mark.parametrize("symbols", [b"", b"a_symbol\0" * 100_000], ids=["few", "many"])
def test_of_a_table_of_symbols_only_what_is_asked_for_is_read(symbols: bytes) -> None:
    table = symbols + STRINGS
    at = len(symbols)
    file = Noted(
        elf(strings=table, tags={1: at + 1, 14: at + 21, 29: at + 29, 5: 0x1000 + 512, 10: len(table)})
    )
    assert facts(file) == facts_of(elf())
    assert file.largest <= 4096


def test_names_far_apart_and_a_search_path_of_any_length_are_read() -> None:
    folder = b"/opt/" + b"x" * 5000
    table = b"\0libc.so.6\0" + bytes(9000) + folder + b"\0more"
    found = facts_of(elf(strings=table, tags={1: 1, 29: 9011, 5: 0x1000 + 512, 10: len(table)})).elf
    assert found is not None
    assert (found.needed, found.runpath) == (("libc.so.6",), (folder.decode(),))


@pytest.mark.parametrize(
    "tags",
    [
        {1: 1, 5: 0x1000 + 512, 10: 2000},
        {1: 60, 5: 0x1000 + 512, 10: len(STRINGS)},
        {1: len(STRINGS) - 1, 5: 0x1000 + 512, 10: len(STRINGS) - 1},
        {1: 1, 5: 0x1000 + 512},
    ],
    ids=["a table that is cut off", "a name behind it", "a name at its end", "a table of no size"],
)
def test_names_that_are_not_there_make_no_facts(tags: dict[int, int]) -> None:
    assert facts_of(elf(tags=tags)) == NO_FACTS


def test_an_executable_stack_is_seen() -> None:
    found = facts_of(elf(flags=7)).elf
    assert found is not None
    assert found.executable_stack


@pytest.mark.parametrize("wide", [True, False])
def test_relative_folders_are_taken_out_where_they_stand(wide: bool) -> None:
    data = elf(wide=wide)
    patches = without_relative(io.BytesIO(data), 0, len(data))
    assert patches == ((512 + 29, b"$ORIGIN:/opt/lib\0"),)
    at, text = patches[0]
    mended = facts_of(data[:at] + text + data[at + len(text) :]).elf
    assert mended is not None
    assert (mended.runpath, mended.needed, mended.soname) == (
        ("$ORIGIN", "/opt/lib"),
        ("libc.so.6",),
        "self.so",
    )


def test_absolute_folders_need_nothing() -> None:
    data = elf(tags={1: 1, 5: 0x1000 + 512, 10: len(STRINGS)})
    assert without_relative(io.BytesIO(data), 0, len(data)) == ()


@pytest.mark.parametrize(
    ("folder", "relative"),
    [
        ("/opt", False),
        ("$ORIGIN/../lib", False),
        ("${ORIGIN}", False),
        (".", True),
        ("", True),
        ("lib", True),
    ],
)
def test_what_is_relative(folder: str, relative: bool) -> None:
    assert is_relative(folder) is relative


def with_note(note: bytes) -> bytes:
    """The segment of the stack becomes one of notes, which lie behind the strings."""
    data = elf()
    start = 64 + 2 * 56
    segment = struct.pack("<IIQQQQQQ", 4, 4, len(data), 0, 0, len(note), len(note), 4)
    return data[:start] + segment + data[start + 56 :] + note


BUILD_ID = struct.pack("<III", 4, 3, 3) + b"GNU\0" + b"\xab\xcd\xef\0"
OTHER = struct.pack("<III", 4, 16, 5) + b"GNU\0" + bytes(16)


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        (BUILD_ID, "abcdef"),
        (OTHER + BUILD_ID, "abcdef"),
        (OTHER, ""),
        (BUILD_ID[:10], ""),
        (struct.pack("<III", 1 << 31, 8, 3) + b"GNU\0", ""),
        (BUILD_ID.replace(b"GNU", b"Go\0"), ""),
    ],
    ids=["alone", "behind another", "another", "cut off", "a huge name", "of another maker"],
)
def test_the_build_id_is_read_and_damaged_notes_are_passed_over(note: bytes, expected: str) -> None:
    found = facts_of(with_note(note)).elf
    assert found is not None
    assert found.build_id == expected
    assert found.soname == "self.so"


def test_other_machines_go_by_their_number() -> None:
    found = facts_of(elf(machine=243)).elf
    assert found is not None
    assert found.machine == "243"


def test_a_static_file_needs_nothing() -> None:
    assert facts_of(elf(tags={})) == Facts(elf=Elf(machine="x86_64"))


def test_a_part_of_a_larger_file_is_looked_at_alone() -> None:
    data = elf()
    assert facts_within(io.BytesIO(b"x" * 100 + data + b"y" * 100), 100, len(data)) == facts_of(data)


def test_tables_beyond_the_part_are_not_read() -> None:
    data = elf()
    assert facts_within(io.BytesIO(data), 0, 520) == NO_FACTS


@pytest.mark.parametrize(
    "tags",
    [{1: 10_000, 5: 0x1200, 10: 50}, {1: 1, 5: 0x999, 10: 50}, {1: 1, 5: 0x1200, 10: 1 << 40}, {1: 1}],
    ids=["name outside the table", "table not loaded", "huge table", "no table"],
)
def test_files_that_no_loader_takes_have_no_facts(tags: dict[int, int]) -> None:
    assert facts_of(elf(tags=tags)) == NO_FACTS


@given(st.lists(st.tuples(st.integers(4, 599), st.integers(0, 255)), max_size=4), st.integers(0, 612))
def test_damage_never_raises(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(elf())
    for at, value in changes:
        data[at] = value
    facts_of(bytes(data[:length]))


@pytest.mark.parametrize(
    ("data", "shebang"),
    [
        (b"#!/usr/bin/python3 -I\nprint()", "/usr/bin/python3 -I"),
        (b"#! /bin/sh", "/bin/sh"),
        (b"#!/bin/sh\r\n", "/bin/sh"),
        (b"#!" + b"x" * 1000, "x" * 254),
        (b"#!\n", ""),
        (b"#!/\xff\n", "/\\xff"),
    ],
)
def test_shebang(data: bytes, shebang: str) -> None:
    assert facts_of(data) == Facts(shebang=shebang)


@pytest.mark.parametrize("data", [b"", b"#", b"\x7fEL", b"text"])
def test_other_files_have_no_facts(data: bytes) -> None:
    assert (facts_of(data), is_interesting(data)) == (NO_FACTS, False)


@pytest.mark.parametrize("size", [30 << 20, 90 << 20], ids=["kept whole", "kept at both ends"])
def test_a_segment_table_that_was_moved_to_the_end_is_kept(size: int) -> None:
    """As patchelf does for AArch64: the beginning of the file tells only where the table is."""
    head = bytearray(1024)
    head[:20] = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, 183)
    struct.pack_into("<Q", head, 32, size - 512)
    struct.pack_into("<HH", head, 54, 56, 2)
    kept = ranges(bytes(head), size)
    assert any(start <= size - 512 and end == size for start, end in kept)
    assert sum(end - start for start, end in kept) <= 64 << 20


def test_ranges_that_touch_are_one() -> None:
    """A table of strings may begin in one segment's first bytes and end in the next one's."""
    size = 80 << 20
    head = bytearray(1024)
    head[:20] = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, 183)
    struct.pack_into("<Q", head, 32, 64)
    struct.pack_into("<HH", head, 54, 56, 1)
    struct.pack_into("<IIQQQQQQ", head, 64, 1, 5, 23 << 20, 0, 0, 8 << 20, 8 << 20, 4096)
    assert ranges(bytes(head), size) == ((0, 31 << 20),)


def test_a_large_table_of_strings_in_the_last_segment_is_kept() -> None:
    """As in libtorch_cpu.so of PyTorch 2.13: 5.2 MB of names, 0.5 MB behind the beginning of the segment."""
    segments = [(0, 16 << 20), (16 << 20, 267 << 20), (283 << 20, 42 << 20), (325 << 20, 3 << 20)]
    segments.append((412 << 20, 6 << 20))
    head = bytearray(1024)
    head[:20] = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, 62)
    struct.pack_into("<Q", head, 32, 64)
    struct.pack_into("<HH", head, 54, 56, len(segments))
    for number, (offset, size) in enumerate(segments):
        struct.pack_into("<IIQQQQQQ", head, 64 + 56 * number, 1, 5, offset, 0, 0, size, size, 4096)
    kept = ranges(bytes(head), 418 << 20)
    assert any(start <= 412 << 20 and end == 418 << 20 for start, end in kept)
    assert sum(end - start for start, end in kept) <= 64 << 20
