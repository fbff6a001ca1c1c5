import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from builder.errors import ArchiveError, StoreError
from builder.image.tar import write_layer
from builder.model.tree import Bytes, Entry, Kind, Slice

LIMIT = 1_700_000_000


def written(*entries: Entry, limit: int = LIMIT) -> bytes:
    out = io.BytesIO()
    write_layer(entries, out, limit)
    return out.getvalue()


def read_back(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: member for member in archive}


def file(path: str, **changes) -> Entry:
    return Entry(path=path, kind=Kind.FILE, mode=0o644, content=Bytes(b"data")).replace(**changes)


def test_entries_come_in_path_order_whatever_order_they_are_given_in() -> None:
    one, two = file("b"), file("a")
    assert written(one, two) == written(two, one)
    assert list(read_back(written(one, two))) == ["a", "b"]


def test_every_field_of_an_entry_is_read_back_by_another_reader(image) -> None:
    members = read_back(written(*image.rootfs.values()))
    assert sorted(members) == sorted(image.rootfs)
    for path, entry in image.rootfs.items():
        member = members[path]
        assert (member.mode, member.uid, member.gid) == (entry.mode, entry.uid, entry.gid)
        assert (member.uname, member.gname) == ("", "")
        assert member.size == entry.size
        assert member.mtime == min(entry.mtime, LIMIT)
        assert member.issym() == (entry.kind is Kind.SYMLINK)
        assert member.linkname == entry.target


def test_extended_attributes_are_pax_records_as_engines_read_them() -> None:
    member = read_back(written(file("ping", xattrs=(("security.capability", b"\1\0\n=x"),))))["ping"]
    assert member.pax_headers == {"SCHILY.xattr.security.capability": "\1\0\n=x"}


@pytest.mark.parametrize("length", [1, 2, *range(98, 104), *range(153, 158), *range(253, 260), 300])
def test_a_name_of_any_length_is_kept(length: int) -> None:
    name = ("folder/" * 50)[: length - 1].replace("//", "/x") + "n"
    assert list(read_back(written(file(name)))) == [name]


@pytest.mark.parametrize("size", [80, 88, 89, 90, 91, 92, 980, 988, 989, 990, 991, 992])
def test_the_length_of_a_pax_record_counts_its_own_digits(size: int) -> None:
    member = read_back(written(file("x", xattrs=(("user.a", b"v" * size),))))["x"]
    assert member.pax_headers["SCHILY.xattr.user.a"] == "v" * size


def test_a_name_that_is_not_utf_8_is_kept() -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert list(read_back(written(file(name)))) == [name]


def test_times_after_the_limit_are_clamped_and_others_kept() -> None:
    members = read_back(written(file("late", mtime=LIMIT + 1), file("early", mtime=5)))
    assert (members["late"].mtime, members["early"].mtime) == (LIMIT, 5)


def test_gnu_tar_lists_it_without_a_complaint(image, tmp_path: Path) -> None:
    path = tmp_path / "layer.tar"
    path.write_bytes(written(*image.rootfs.values()))
    done = subprocess.run(["tar", "tf", path], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == len(image.rootfs)


def slice_of(path: Path, sha256: str, size: int = 4) -> Slice:
    return Slice(path=path, offset=0, size=size, sha256=sha256)


GOOD = Bytes(b"data").sha256


@pytest.mark.parametrize("data", [b"dat4", b"dat", b""])
def test_content_that_changed_since_it_was_verified_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "blob"
    path.write_bytes(data)
    with pytest.raises(StoreError) as error:
        written(file("usr/x", content=slice_of(path, GOOD)))
    assert str(error.value) == (
        f"usr/x: damaged: '{path}' is not what it was when it was verified; "
        "run the command again to get it anew"
    )
    assert error.value.exit_code == 3


def test_content_that_is_gone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gone"
    with pytest.raises(StoreError) as error:
        written(file("usr/x", content=slice_of(path, GOOD)))
    assert str(error.value) == (
        f"usr/x: damaged: '{path}' can't be read: no such file or directory; "
        "run the command again to get it anew"
    )


def test_a_device_is_refused() -> None:
    with pytest.raises(ArchiveError) as error:
        written(Entry(path="dev/null", kind=Kind.DEVICE, mode=0o666))
    assert str(error.value) == "dev/null: is a device, which no layer may hold; remove it"
