"""Debian packages: what becomes of sound ones, warm and cold, and that malformed ones are refused by name."""

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from builder.errors import ArchiveError, StoreError
from builder.model.lock import LockedPackage, LockedPlatform
from builder.model.tree import Facts, Kind, Owner, Slice
from builder.packages import deb, unpacked
from builder.packages.deb import unpack_deb
from builder.packages.store import Store
from builder.packages.unpack import unpack

CONTROL = b"Package: hello\nVersion: 1.0-1\nArchitecture: amd64\nDescription: says hello\n"
NAME = "hello_1.0-1_amd64.deb"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def tar(files: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size, info.mode, info.mtime = len(content), 0o755, 1000
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def ar(*members: tuple[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, data in members:
        out += b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (name.encode(), 0, 0, 0, b"100644", len(data))
        out += data + b"\n" * (len(data) % 2)
    return out


FORMAT = ("debian-binary", b"2.0\n")
CONTROL_TAR = ("control.tar", tar({"./control": CONTROL}))
DATA_TAR = ("data.tar", tar({"./usr/bin/hello": b"#!/usr/bin/python3\n"}))
DEB = ar(FORMAT, CONTROL_TAR, DATA_TAR)


def lock(store: Store, data: bytes, **changes: object) -> LockedPackage:
    return LockedPackage(
        **{
            "name": "hello",
            "version": "1.0-1",
            "architecture": "amd64",
            "archive": "debian",
            "path": f"pool/main/h/hello/{NAME}",
            "size": len(data),
            "sha256": store.put(data),
            "because": "image",
            **changes,
        }
    )


def refusal(store: Store, data: bytes) -> str:
    with pytest.raises(ArchiveError) as caught:
        unpack_deb(store, lock(store, data))
    return str(caught.value)


PACKING: dict[str, Callable[[bytes], bytes]] = {
    ".xz": lzma.compress,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    "": bytes,
}


@pytest.mark.parametrize("suffix", PACKING)
def test_unpacks_every_compression(store: Store, suffix: str) -> None:
    pack = PACKING[suffix]
    data = ar(
        FORMAT,
        (f"control.tar{suffix}", pack(CONTROL_TAR[1])),
        (f"data.tar{suffix}", pack(DATA_TAR[1])),
    )
    package = unpack_deb(store, lock(store, data))
    [entry] = package.entries
    assert (entry.path, entry.mode, entry.mtime, entry.size) == ("usr/bin/hello", 0o755, 1000, 19)
    assert entry.content is not None
    with entry.content.open() as stream:
        content = stream.read()
    assert content == b"#!/usr/bin/python3\n"
    assert entry.content.sha256 == hashlib.sha256(content).hexdigest()
    assert isinstance(entry.content, Slice)
    assert entry.content.sha1 == hashlib.sha1(content, usedforsecurity=False).hexdigest()
    assert entry.content.facts == Facts(shebang="/usr/bin/python3")
    assert package.owner == entry.owner == Owner(kind="deb", name="hello", version="1.0-1")


def test_keeps_the_metadata_verbatim(store: Store) -> None:
    files = {
        "./control": CONTROL,
        "./md5sums": b"abc  usr/bin/hello\n",
        "./postinst": b"#!/bin/sh\n",
        "./x": b"",
    }
    package = unpack_deb(store, lock(store, ar(FORMAT, ("control.tar", tar(files)), DATA_TAR)))
    assert package.control == CONTROL.decode()
    assert package.md5sums == "abc  usr/bin/hello\n"
    assert package.scripts == (("postinst", "#!/bin/sh\n"),)


def special_tree() -> bytes:
    link, hard, folder = tarfile.TarInfo("./usr/l"), tarfile.TarInfo("./usr/h"), tarfile.TarInfo("./usr")
    link.type, link.linkname = tarfile.SYMTYPE, "bin/x"
    hard.type, hard.linkname = tarfile.LNKTYPE, "./usr/x"
    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
    return tar({"0": folder, "./usr/x": b"\x7fELF", "1": link, "2": hard})


def test_a_second_call_reads_the_record_alone(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = lock(store, ar(FORMAT, CONTROL_TAR, ("data.tar", special_tree())))
    cold = unpack_deb(store, locked)
    monkeypatch.setattr(deb, "_unpack", None)
    store.blob(locked.sha256).unlink()
    assert unpack_deb(store, locked) == cold
    assert [entry.kind for entry in cold.entries] == [Kind.DIRECTORY, Kind.FILE, Kind.SYMLINK, Kind.FILE]


def data_blob(package_entries: object) -> Path:
    [content] = {entry.content for entry in package_entries if entry.content}  # type: ignore[attr-defined]
    assert isinstance(content, Slice)
    return content.path


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_a_lost_blob_is_made_again(store: Store, harm: str) -> None:
    locked = lock(store, DEB)
    package = unpack_deb(store, locked)
    blob = data_blob(package.entries)
    before = blob.read_bytes()
    if harm == "gone":
        blob.unlink()
    else:
        blob.chmod(0o644)
        blob.write_bytes(before[:-1] + b"x")
    assert unpack_deb(store, locked) == package
    assert blob.read_bytes() == before


def test_a_package_that_is_not_in_the_store_is_named(store: Store) -> None:
    locked = lock(store, DEB)
    store.blob(locked.sha256).unlink()
    with pytest.raises(StoreError) as caught:
        unpack_deb(store, locked)
    assert str(caught.value) == f"'{store.root}': {NAME} is not in the store any more; run again to fetch it"


def test_damage_in_the_store_is_no_fault_of_the_package(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = lock(store, DEB)
    path = store.blob(locked.sha256)
    path.chmod(0o644)
    path.write_bytes(DEB[:-600])
    # The stamp of a file system that lost the data but kept the times: has() believes it once.
    answers = iter([True])
    real = Store.has
    monkeypatch.setattr(Store, "has", lambda self, sha256: next(answers, None) or real(self, sha256))
    with pytest.raises(StoreError) as caught:
        unpack_deb(store, locked)
    assert str(caught.value) == (
        f"'{store.root}': {NAME} was damaged in the store and is removed; run again to fetch it"
    )
    assert not path.exists()


MALFORMED = {
    "not ar": (b"PK\3\4", "is not a Debian package: it doesn't begin as an 'ar' archive"),
    "header cut off": (DEB[:40], "damaged 'ar' header at byte 8"),
    "header damaged": (DEB[:56] + b"x9" + DEB[58:], "damaged 'ar' header at byte 8"),
    "member cut off": (DEB[:-600], "is cut off within 'data.tar'"),
    "twice": (ar(FORMAT, CONTROL_TAR, CONTROL_TAR, DATA_TAR), "holds 'control.tar' twice"),
    "another format": (
        ar(("debian-binary", b"3.0\n"), CONTROL_TAR, DATA_TAR),
        "is not a Debian package of format 2",
    ),
    "no format": (ar(CONTROL_TAR, DATA_TAR), "is not a Debian package of format 2"),
    "no data": (ar(FORMAT, CONTROL_TAR), "holds 0 members 'data.tar', not one"),
    "two data": (
        ar(FORMAT, CONTROL_TAR, DATA_TAR, ("data.tar.gz", b"")),
        "holds 2 members 'data.tar', not one",
    ),
    "unknown compression": (
        ar(FORMAT, CONTROL_TAR, ("data.tar.lzo", b"")),
        "data.tar.lzo: this compression is not supported; known are '.tar', '.tar.gz', '.tar.xz', '.tar.zst'",
    ),
    "damaged xz": (
        ar(FORMAT, CONTROL_TAR, ("data.tar.xz", b"garbage")),
        "data.tar.xz: is damaged or cut off",
    ),
    "cut off xz": (
        ar(FORMAT, CONTROL_TAR, ("data.tar.xz", lzma.compress(DATA_TAR[1])[:-20])),
        "data.tar.xz: is damaged or cut off",
    ),
    "more behind the xz": (
        ar(FORMAT, CONTROL_TAR, ("data.tar.xz", lzma.compress(DATA_TAR[1]) + b"more")),
        "data.tar.xz: is damaged or cut off",
    ),
    "cut off gz": (
        ar(FORMAT, CONTROL_TAR, ("data.tar.gz", gzip.compress(DATA_TAR[1])[:-20])),
        "data.tar.gz: is damaged or cut off",
    ),
    "damaged zst": (
        ar(FORMAT, CONTROL_TAR, ("data.tar.zst", b"garbage")),
        "data.tar.zst: is damaged or cut off",
    ),
    "hostile data": (
        ar(FORMAT, CONTROL_TAR, ("data.tar", tar({"../x": b""}))),
        "data.tar: '../x': the name holds '..'",
    ),
    "hostile control": (
        ar(FORMAT, ("control.tar", tar({"/control": b""})), DATA_TAR),
        "control.tar: '/control': the name is absolute",
    ),
    "no text": (
        ar(FORMAT, ("control.tar", tar({"control": CONTROL, "md5sums": b"\xff"})), DATA_TAR),
        "'md5sums' is not UTF-8",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_package_is_refused(store: Store, case: str) -> None:
    data, message = MALFORMED[case]
    assert refusal(store, data) == f"{NAME}: {message}"


def test_a_package_other_than_the_locked_one_is_refused(store: Store) -> None:
    control = b"Package: other\nVersion: 2\n"
    assert refusal(store, ar(FORMAT, ("control.tar", tar({"control": control})), DATA_TAR)) == (
        f"{NAME}: its control file says Package 'other', the lock says 'hello'\n"
        f"{NAME}: its control file says Version '2', the lock says '1.0-1'\n"
        f"{NAME}: its control file says Architecture '', the lock says 'amd64'"
    )


def test_the_identity_is_checked_warm_too(store: Store) -> None:
    unpack_deb(store, lock(store, DEB))
    with pytest.raises(ArchiveError) as caught:
        unpack_deb(store, lock(store, DEB, version="2"))
    assert str(caught.value) == f"{NAME}: its control file says Version '1.0-1', the lock says '2'"


def test_a_bomb_is_refused_before_it_fills_the_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "allowance", lambda _size: 1 << 20)
    packed = lzma.compress(bytes(5 << 20))
    data = ar(FORMAT, CONTROL_TAR, ("data.tar.xz", packed))
    assert refusal(store, data) == (
        f"{NAME}: data.tar.xz: its {len(packed)} bytes expand to more than the 1048576 that are allowed"
    )
    assert list((store.root / "temp").iterdir()) == []


def test_nothing_is_recorded_of_a_refused_package(store: Store) -> None:
    refusal(store, MALFORMED["hostile data"][0])
    assert list((store.root / "records").iterdir()) == []


def test_many_packages_come_in_the_locks_order(store: Store) -> None:
    debs = []
    for number in range(5):
        control = CONTROL.replace(b"hello\nV", b"hello%d\nV" % number)
        data = ar(FORMAT, ("control.tar", tar({"control": control})), DATA_TAR)
        debs.append(lock(store, data, name=f"hello{number}"))
    unpack_deb(store, debs[2])
    locked = LockedPlatform(packages=tuple(debs))
    cold = unpack(store, locked, None)
    assert [package.owner.name for package in cold] == [deb.name for deb in debs]
    assert unpack(store, locked, None) == cold


def test_the_first_malformed_of_many_is_named(store: Store) -> None:
    packages = (lock(store, DEB), lock(store, MALFORMED["no data"][0]), lock(store, b"x"))
    with pytest.raises(ArchiveError) as caught:
        unpack(store, LockedPlatform(packages=packages), None)
    assert str(caught.value) == f"{NAME}: holds 0 members 'data.tar', not one"
