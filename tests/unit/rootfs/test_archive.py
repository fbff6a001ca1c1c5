"""The archive reader: what it makes of sound archives, and that hostile ones are refused by name."""

import io
import tarfile
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import ArchiveError
from builder.model.tree import Bytes, Entry, Kind, Owner
from builder.rootfs import members
from builder.rootfs.archive import clean_path, read_layer, read_package
from builder.rootfs.members import Member

OWNER = Owner(kind="deb", name="x", version="1")
TYPES = {
    "file": tarfile.REGTYPE,
    "hard": tarfile.LNKTYPE,
    "link": tarfile.SYMTYPE,
    "folder": tarfile.DIRTYPE,
    "char": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
}


def keep(_member: Member, data: BinaryIO) -> Bytes:
    return Bytes(data.read())


def member(
    name: str, kind: str = "file", data: bytes = b"", target: str = "", **more: object
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = TYPES[kind]
    info.linkname = target
    info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def archive(*found: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info, data in found:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def package(data: bytes) -> dict[str, Entry]:
    return {entry.path: entry for entry in read_package(io.BytesIO(data), "x.deb", OWNER, keep)}


def layer(data: bytes, below: dict[str, Entry] | None = None) -> tuple[dict[str, Entry], tuple[str, ...]]:
    entries, problems = read_layer(io.BytesIO(data), "layer 1", OWNER, keep, below)
    return {entry.path: entry for entry in entries}, problems


def refusal(data: bytes) -> str:
    with pytest.raises(ArchiveError) as caught:
        package(data)
    return str(caught.value)


def patched(data: bytes, offset: int, field: bytes) -> bytes:
    """The first header with other bytes at an offset, and the checksum that fits."""
    block = bytearray(data[:512])
    block[offset : offset + len(field)] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + data[512:]


# what sound archives become


def test_entries_carry_what_the_archive_says() -> None:
    info, data = member("./usr/bin/x", data=b"abc", mode=0o4755, uid=3, gid=70000, mtime=1234)
    assert package(archive(member("./", "folder"), member("./usr", "folder", mode=0o755), (info, data))) == {
        "usr": Entry(path="usr", kind=Kind.DIRECTORY, mode=0o755, owner=OWNER),
        "usr/bin/x": Entry(
            path="usr/bin/x",
            kind=Kind.FILE,
            mode=0o4755,
            uid=3,
            gid=70000,
            mtime=1234,
            content=Bytes(b"abc"),
            owner=OWNER,
        ),
    }


def test_hard_links_share_the_content() -> None:
    tree = package(archive(member("a", data=b"abc", mode=0o755, uid=7), member("b", "hard", target="./a")))
    assert tree["b"] == tree["a"].replace(path="b")


def test_symlinks_inside_the_tree_are_kept_as_written() -> None:
    tree = package(
        archive(
            member("usr/lib/a", "link", target="../../etc/a"),
            member("usr/b", "link", target="/etc/b", mode=0),
        )
    )
    assert [(entry.kind, entry.target, entry.mode) for entry in tree.values()] == [
        (Kind.SYMLINK, "../../etc/a", 0o777),
        (Kind.SYMLINK, "/etc/b", 0o777),
    ]


def test_extended_attributes_are_bytes_in_the_order_of_their_names() -> None:
    attributes = {"SCHILY.xattr.user.b": "2", "SCHILY.xattr.security.capability": "\1\0\2"}
    tree = package(archive(member("a", pax_headers=attributes)))
    assert tree["a"].xattrs == (("security.capability", b"\1\0\2"), ("user.b", b"2"))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_large_numbers(form: int) -> None:
    name = "/".join(["f" * 200, "é" * 100, "x"])
    tree = package(
        archive(member(name, "link", target="t" * 200, uid=3_000_000, mtime=9_000_000_000), form=form)
    )
    entry = tree[name]
    assert (entry.target, entry.uid, entry.mtime) == ("t" * 200, 3_000_000, 9_000_000_000)


def test_a_prefix_of_the_ustar_format_belongs_to_the_name() -> None:
    name = "p" * 120 + "/" + "n" * 90
    assert list(package(archive(member(name), form=tarfile.USTAR_FORMAT))) == [name]


def test_an_old_archive_marks_folders_by_a_slash_alone() -> None:
    old = patched(patched(archive(member("a/b")), 0, b"a/\0"), 156, b"\0")
    assert package(old)["a"].kind is Kind.DIRECTORY


def test_a_slash_where_a_long_name_was_cut_means_nothing() -> None:
    """Writers cut the name that old readers see at 100 bytes, wherever that falls."""
    name = "d" * 99 + "/" + "f" * 200
    assert package(archive(member(name), form=tarfile.PAX_FORMAT))[name].kind is Kind.FILE


def test_a_file_whose_name_ends_with_a_slash_is_refused() -> None:
    """GNU tar makes a folder of it, engines a file."""
    with pytest.raises(ArchiveError, match="is a folder by its name and a file by its type"):
        package(patched(archive(member("a/b")), 0, b"a/\0"))


def test_the_same_folder_twice_is_no_problem() -> None:
    assert list(package(archive(member("a", "folder"), member("a/", "folder")))) == ["a"]


def test_what_is_not_read_of_a_content_is_skipped() -> None:
    data = archive(member("a", data=b"x" * 5000), member("b", data=b"y"))
    entries = read_package(io.BytesIO(data), "x", OWNER, lambda m, _: Bytes(m.name.encode()))
    assert [entry.path for entry in entries] == ["a", "b"]


def test_the_member_tells_where_its_data_lies() -> None:
    data = archive(member("a", data=b"first"), member("b" * 150, data=b"second"))
    found = {
        m.name[0]: data[m.offset : m.offset + m.size] for m in members.Members(io.BytesIO(data), "x", print)
    }
    assert found == {"a": b"first", "b": b"second"}


# hostile archives, as packages: refused, with the whole message

HOSTILE = {
    "dots": ([member("usr/../../etc/x")], "x.deb: 'usr/../../etc/x': the name holds '..'"),
    "dots inside": ([member("usr/../etc/x")], "x.deb: 'usr/../etc/x': the name holds '..'"),
    "absolute": ([member("/etc/x")], "x.deb: '/etc/x': the name is absolute"),
    "newline": ([member("a\nb")], "x.deb: 'a\\nb': the name holds a control character"),
    "nul": (
        [member("a", pax_headers={"path": "a\0b"})],
        "x.deb: 'a\\x00b': the name holds a control character",
    ),
    "not UTF-8": (
        [member("a\udce9", pax_headers={})],
        "x.deb: 'a\\udce9': the name is not UTF-8",
    ),
    "long": ([member("a" * 256)], f"x.deb: '{'a' * 256}': the name is longer than Linux allows"),
    "root": ([member("./", "link", target="x")], "x.deb: './': the root is not a directory"),
    "climbing symlink": (
        [member("usr/a", "link", target="../../etc/passwd")],
        "x.deb: 'usr/a': the symlink to '../../etc/passwd' leads out of the tree",
    ),
    "empty symlink": ([member("a", "link")], "x.deb: 'a': the symlink leads nowhere"),
    "hard link to nothing": (
        [member("a", "hard", target="b")],
        "x.deb: 'a': the hard link leads to 'b', which is no file before it",
    ),
    "hard link to a folder": (
        [member("b", "folder"), member("a", "hard", target="b")],
        "x.deb: 'a': the hard link leads to 'b', which is no file before it",
    ),
    "hard link out of the tree": (
        [member("etc/x"), member("a", "hard", target="../etc/x")],
        "x.deb: 'a': the hard link leads to '../etc/x', which is no file before it",
    ),
    "absolute hard link": (
        [member("etc/x"), member("a", "hard", target="/etc/x")],
        "x.deb: 'a': the hard link to '/etc/x' is unsafe",
    ),
    "character device": ([member("dev/mem", "char")], "x.deb: 'dev/mem': is a character device"),
    "block device": ([member("dev/sda", "block")], "x.deb: 'dev/sda': is a block device"),
    "FIFO": ([member("run/f", "fifo")], "x.deb: 'run/f': is a FIFO"),
    "duplicate": (
        [member("a", data=b"1"), member("./a", data=b"2")],
        "x.deb: './a': is in the archive twice",
    ),
    "a link, then a folder": (
        [member("a", "link", target="/etc"), member("a", "folder")],
        "x.deb: 'a/': is in the archive twice",
    ),
    "below a symlink": (
        [member("a", "link", target="/etc"), member("a/passwd")],
        "x.deb: 'a/passwd': lies below 'a', which is a symlink",
    ),
    "deep below a file": (
        [member("a"), member("a/b/c")],
        "x.deb: 'a/b/c': lies below 'a', which is a file",
    ),
    "a symlink over a folder that is used": (
        [member("a/b"), member("a", "link", target="/etc")],
        "x.deb: 'a': is no directory, though other entries lie below it",
    ),
    "several": (
        [member("/a"), member("b", "fifo")],
        "x.deb: '/a': the name is absolute\nx.deb: 'b': is a FIFO",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_package_is_refused(case: str) -> None:
    found, message = HOSTILE[case]
    # GNU's format writes names as they are; the others can't hold a NUL or bytes that are not UTF-8.
    form = tarfile.PAX_FORMAT if case == "nul" else tarfile.GNU_FORMAT
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as tar:
        for info, data in found:
            tar.addfile(info, io.BytesIO(data))
    assert refusal(out.getvalue()) == message


ONE = archive(member("a", data=b"abc"))

DAMAGED = {
    "empty": (b"", "x.deb: has no end-of-archive marker; it may have been cut off"),
    "cut off in a header": (ONE[:300], "x.deb: is cut off after 300 bytes"),
    "cut off in the data": (ONE[:514], "x.deb: is cut off after 514 bytes, at 'a'"),
    "cut off between entries": (ONE[:1024], "x.deb: has no end-of-archive marker; it may have been cut off"),
    "cut off after an extended header": (
        archive(member("n" * 200))[:1024],
        "x.deb: is cut off after 1024 bytes",
    ),
    "wrong checksum": (b"b" + ONE[1:], "x.deb: damaged header at byte 0: its checksum is wrong"),
    "garbage in the middle": (
        ONE[:1024] + b"garbage!" * 64 + ONE[:1024] + bytes(1024),
        "x.deb: damaged header at byte 1024: 'age!garb' is not an octal number, at 'a'",
    ),
    "octal": (
        patched(ONE, 124, b"0000000009"),
        "x.deb: damaged header at byte 0: '00000000093' is not an octal number",
    ),
    "negative size": (
        patched(ONE, 124, b"\xff" * 12),
        "x.deb: damaged header at byte 0: -1 is not a size",
    ),
    "size beyond reason": (
        patched(ONE, 124, b"\x80" + b"\x7f" * 11),
        f"x.deb: damaged header at byte 0: {int('7f' * 11, 16)} is not a size",
    ),
    "size beyond the end": (
        patched(ONE, 124, b"00077777777\0"),
        "x.deb: is cut off after 10240 bytes, at 'a'",
    ),
    "a second archive behind": (ONE + ONE, "x.deb: more data follows the end of the archive"),
    "unknown type": (patched(ONE, 156, b"V"), "x.deb: 'a': is of the unknown type 'V'"),
    "sparse": (patched(ONE, 156, b"S"), "x.deb: 'a': is stored as a sparse file"),
    "folder with data": (
        patched(ONE[:512] + bytes(1024), 156, b"5"),
        "x.deb: 'a': has data, though it is not a file",
    ),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_package_is_refused(case: str) -> None:
    data, message = DAMAGED[case]
    assert refusal(data) == message


def extended(records: bytes, kind: bytes = b"x") -> bytes:
    header = patched(archive(member("PaxHeaders/a", data=records))[:512], 156, kind)
    return header + records + bytes(-len(records) % 512)


EXTENDED = {
    "no length": (b"path=b\n", "a record of its extended header is damaged"),
    "length beyond": (b"99 path=b\n", "a record of its extended header is damaged"),
    "length too short": (b"5 path=b\n", "a record of its extended header is damaged"),
    "size": (b"12 size=-1\n"[:-1] + b"1\n", "'-11' is not a size"),
    "uid": (b"18 uid=4294967295\n", "'4294967295' is not a uid"),
    "mtime": (b"11 mtime=x\n", "'x' is not a time"),
}


@pytest.mark.parametrize("case", EXTENDED)
def test_damaged_extended_header_is_refused(case: str) -> None:
    records, reason = EXTENDED[case]
    message = refusal(extended(records) + ONE)
    assert message in (
        f"x.deb: damaged header at byte 0: {reason}",
        f"x.deb: damaged header at byte 1024: {reason}",
    )


def test_sparse_file_of_the_pax_form_is_refused() -> None:
    sparse = archive(member("a", pax_headers={"GNU.sparse.major": "1"}))
    assert refusal(sparse) == "x.deb: 'a': is stored as a sparse file"


def test_two_extended_headers_for_one_entry_are_refused() -> None:
    data = extended(b"9 path=b\n") + extended(b"9 path=c\n") + ONE
    assert refusal(data) == "x.deb: ambiguous extended header before byte 2048"


def test_a_global_header_that_changes_entries_is_refused() -> None:
    assert refusal(extended(b"9 path=b\n", b"g") + ONE) == "x.deb: ambiguous extended header before byte 1024"


def test_a_global_comment_is_fine() -> None:
    assert list(package(extended(b"13 comment=b\n", b"g") + ONE)) == ["a"]


def test_an_extended_header_of_gigabytes_is_refused_unread() -> None:
    header = patched(ONE[:512], 156, b"x")
    bomb = patched(header, 124, b"77777777777\0")
    assert refusal(bomb) == (
        "x.deb: damaged header at byte 0: an extended header of 8589934591 bytes is too large"
    )


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "MAX_MEMBERS", 3)
    data = archive(*(member(f"f{number}") for number in range(4)))
    assert refusal(data) == "x.deb: holds more than 3 entries, at 'f2'"


def test_the_list_of_problems_ends_somewhere() -> None:
    lines = refusal(archive(*(member(f"/f{number}") for number in range(150)))).splitlines()
    assert (len(lines), lines[-1]) == (101, "x.deb: has more problems than are listed here")


# the same as layers: looked at in spite of everything


def test_a_layer_with_devices_has_them_as_entries_and_no_problem() -> None:
    tree, problems = layer(archive(member("dev/sda", "block"), member("f", "fifo")))
    assert [entry.kind for entry in tree.values()] == [Kind.DEVICE, Kind.FIFO]
    assert problems == ()


def test_a_layer_is_shown_as_an_engine_unpacks_it() -> None:
    tree, problems = layer(
        archive(member("/etc/x", data=b"1"), member("a/../etc/x", data=b"2"), member("../../b", data=b"3"))
    )
    assert {path: entry.content for path, entry in tree.items()} == {"etc/x": Bytes(b"2")}
    assert problems == (
        "layer 1: '/etc/x': the name is absolute",
        "layer 1: 'a/../etc/x': the name holds '..'",
        "layer 1: 'a/../etc/x': is in the archive twice",
        "layer 1: '../../b': the name holds '..'",
    )


def test_a_layers_hard_link_may_lead_to_the_layers_below() -> None:
    below = {"a": Entry(path="a", kind=Kind.FILE, mode=0o755, content=Bytes(b"abc"), uid=7)}
    tree, problems = layer(archive(member("b", "hard", target="a")), below)
    assert (tree["b"].content, tree["b"].uid, tree["b"].owner, problems) == (Bytes(b"abc"), 7, OWNER, ())


def test_a_layer_without_end_marker_is_read() -> None:
    tree, problems = layer(ONE[:1024])
    assert (list(tree), problems) == (["a"], ())


def test_a_layer_that_is_cut_off_is_refused() -> None:
    with pytest.raises(ArchiveError, match=r"^layer 1: is cut off after 514 bytes, at 'a'$"):
        layer(ONE[:514])


def test_names_that_are_not_utf8_survive_in_layers() -> None:
    info = tarfile.TarInfo("a\udce9")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(info)
    tree, problems = layer(out.getvalue())
    assert (list(tree), problems) == (["a\udce9"], ("layer 1: 'a\\udce9': the name is not UTF-8",))


def test_a_stream_that_gives_little_at_a_time_reads_the_same() -> None:
    class Trickle(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self._file = io.BytesIO(data)

        def read(self, size: int = -1) -> bytes:
            return self._file.read(min(size, 7))

    entries = read_package(Trickle(ONE), "x", OWNER, keep)  # type: ignore[arg-type]
    assert [entry.content for entry in entries] == [Bytes(b"abc")]


# properties

STEP = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=40
).filter(lambda step: step not in (".", "..") and len(step.encode()) <= 255)
PATH = st.lists(STEP, min_size=1, max_size=4).map("/".join)


@given(
    st.dictionaries(PATH, st.binary(max_size=1500), max_size=8),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_reads_what_tarfile_wrote(files: dict[str, bytes], form: int) -> None:
    files = {
        path: data
        for path, data in files.items()
        if not any(other.startswith(path + "/") for other in files) and not path.endswith(" ")
    }
    data = archive(*(member(f"./{path}", data=content) for path, content in files.items()), form=form)
    assert {path: entry.content for path, entry in package(data).items()} == {
        path: Bytes(content) for path, content in files.items()
    }


GOOD = archive(
    member("usr", "folder"),
    member("usr/" + "n" * 120, data=b"abc" * 300, pax_headers={"SCHILY.xattr.user.a": "b"}),
    member("usr/link", "link", target="../etc/x"),
    member("usr/hard", "hard", target="usr/" + "n" * 120),
)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(GOOD)),
)
def test_damage_is_refused_or_harmless(changes: list[tuple[int, int]], length: int) -> None:
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    try:
        tree = package(bytes(data[:length]))
    except ArchiveError as error:
        assert str(error).startswith("x.deb: ")  # noqa: PT017 - either outcome is right
    else:
        assert all(clean_path(path) == path and path for path in tree)


@given(st.text(st.sampled_from("a./"), max_size=20))
def test_clean_path_stays_below_the_root(name: str) -> None:
    cleaned = clean_path(name)
    assert cleaned is None or (clean_path(cleaned) == cleaned and ".." not in cleaned.split("/"))
