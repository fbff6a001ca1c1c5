"""Debian packages into entries: `ar`, then two tars, of which the large one is decompressed once.

Source: deb(5) and deb-control(5) of dpkg 1.22.
"""

import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from builder.errors import ArchiveError
from builder.model.lock import LockedPackage
from builder.model.package import Package
from builder.model.tree import NO_FACTS, Bytes, Entry, Owner, Slice
from builder.packages import unpacked
from builder.packages.decompress import decompressed
from builder.packages.store import Store
from builder.rootfs.archive import read_package
from builder.rootfs.elf import facts_within, is_interesting
from builder.rootfs.members import Member

RECORD = "deb-3"
"""Kind of the store's records; counted up when their form or what they say changes."""
CHUNK = 1 << 20
MAX_CONTROL = 64 << 20
SCRIPTS = ("config", "postinst", "postrm", "preinst", "prerm")


def unpack_deb(store: Store, locked: LockedPackage) -> Package:
    """The package's entries, contents being slices of a blob of the store; the .deb must have been fetched.

    The first time it is decompressed, checked and recorded; after that the record is read. Raises
    `ArchiveError`, naming the .deb, for one that is malformed, unsafe or not what the lock says it is.
    """
    warm = recorded_deb(store, locked)
    if warm is not None:
        return warm
    name = locked.path.rpartition("/")[2]
    return unpacked.unpack_stored(store, locked.sha256, name, lambda path: _unpack(store, locked, path, name))


def recorded_deb(store: Store, locked: LockedPackage) -> Package | None:
    """The package, where it was unpacked before."""
    package = unpacked.load(store, RECORD, locked.sha256, _owner(locked))
    if package is not None:
        _check_identity(package.control, locked, locked.path.rpartition("/")[2])
    return package


def _owner(locked: LockedPackage) -> Owner:
    return Owner(kind="deb", name=locked.name, version=locked.version)


def _unpack(store: Store, locked: LockedPackage, path: Path, name: str) -> Package:
    parts = parts_of(path, name)
    control = _control_files(parts["control"], name)
    text = _text(control, "control", name)
    _check_identity(text, locked, name)
    owner = _owner(locked)
    blob, entries = _data_entries(store, parts["data"], name, owner)
    package = Package(
        owner=owner,
        entries=entries,
        control=text,
        md5sums=_text(control, "md5sums", name),
        scripts=tuple((script, _text(control, script, name)) for script in SCRIPTS if script in control),
    )
    unpacked.save(store, RECORD, locked.sha256, package, blob)
    return package


def parts_of(path: Path, name: str) -> dict[str, tuple[str, Slice]]:
    """The two tars as (`data.tar.xz`, where it lies), by `control` and `data`."""
    members = _ar_members(path, name)
    version = members.get("debian-binary")
    if version is None or not re.fullmatch(rb"2\.[0-9]+\n", _read(version, 16)):
        raise ArchiveError(f"{name}: is not a Debian package of format 2")
    parts = {}
    for part in ("control", "data"):
        found = [member for member in members if member.partition(".")[0] == part]
        if len(found) != 1:
            raise ArchiveError(f"{name}: holds {len(found)} members '{part}.tar', not one")
        parts[part] = (found[0], members[found[0]])
    return parts


def _ar_members(path: Path, name: str) -> dict[str, Slice]:
    """Members of a common `ar` archive, every size checked against the file's."""
    total = path.stat().st_size
    members: dict[str, Slice] = {}
    with path.open("rb") as file:
        if file.read(8) != b"!<arch>\n":
            raise ArchiveError(f"{name}: is not a Debian package: it doesn't begin as an 'ar' archive")
        at = 8
        while at < total:
            file.seek(at)
            member, size = _ar_header(file.read(60), name, at)
            if at + 60 + size > total:
                raise ArchiveError(f"{name}: is cut off within '{member}'")
            if member in members:
                raise ArchiveError(f"{name}: holds '{member}' twice")
            members[member] = Slice(path=path, offset=at + 60, size=size, sha256="")
            at += 60 + size + size % 2
    return members


def _ar_header(header: bytes, name: str, at: int) -> tuple[str, int]:
    match = re.fullmatch(rb"([!-~]{1,16}) *[ 0-9]{32}([0-9]{1,10}) *`\n", header)
    if match is None or len(header) != 60:
        raise ArchiveError(f"{name}: damaged 'ar' header at byte {at}")
    return header[:16].decode("ascii").rstrip(" /"), int(header[48:58])


def _read(part: Slice, limit: int) -> bytes:
    with part.open() as stream:
        return stream.read(limit)


def _control_files(part: tuple[str, Slice], name: str) -> dict[str, bytes]:
    member, source = part
    archive = f"{name}: {member}"
    plain = b"".join(decompressed(source, member, archive, MAX_CONTROL))
    entries = read_package(io.BytesIO(plain), archive, Owner(kind="deb", name=name), _in_memory)
    return {entry.path: entry.content.data for entry in entries if isinstance(entry.content, Bytes)}


def _in_memory(_member: Member, data: BinaryIO) -> Bytes:
    return Bytes(data.read())


def _text(files: dict[str, bytes], file: str, name: str) -> str:
    try:
        return files.get(file, b"").decode()
    except UnicodeDecodeError:
        raise ArchiveError(f"{name}: '{file}' is not UTF-8") from None


def _check_identity(control: str, locked: LockedPackage, name: str) -> None:
    fields = dict(re.findall(r"^(Package|Version|Architecture):[ \t]*(.*?)[ \t]*$", control, re.MULTILINE))
    expected = {
        "Package": locked.name,
        "Version": locked.version,
        "Architecture": locked.architecture,
    }
    problems = [
        f"{name}: its control file says {key} '{fields.get(key, '')}', the lock says '{value}'"
        for key, value in expected.items()
        if fields.get(key) != value
    ]
    if problems:
        raise ArchiveError("\n".join(problems))


def _data_entries(
    store: Store, part: tuple[str, Slice], name: str, owner: Owner
) -> tuple[str, tuple[Entry, ...]]:
    member, source = part
    archive = f"{name}: {member}"
    with store.writer() as writer:
        for chunk in decompressed(source, member, archive, unpacked.allowance(source.size)):
            writer.write(chunk)
    blob = store.blob(writer.sha256)
    with blob.open("rb", CHUNK) as stream, blob.open("rb") as probe:
        return writer.sha256, read_package(stream, archive, owner, _slices(blob, probe))


def _slices(blob: Path, probe: BinaryIO) -> Callable[[Member, BinaryIO], Slice]:
    """Contents stay where they are in the decompressed tar."""

    def keep(member: Member, data: BinaryIO) -> Slice:
        chunk = data.read(CHUNK)
        learnt = facts_within(probe, member.offset, member.size) if is_interesting(chunk) else NO_FACTS
        digest, old = hashlib.sha256(chunk), hashlib.sha1(chunk, usedforsecurity=False)
        while chunk := data.read(CHUNK):
            digest.update(chunk)
            old.update(chunk)
        return Slice(
            path=blob,
            offset=member.offset,
            size=member.size,
            sha256=digest.hexdigest(),
            facts=learnt,
            sha1=old.hexdigest(),
        )

    return keep
