"""Installs one wheel with pypa's `installer`, into a blob of the store instead of folders.

No temporary folder, no byte code and nothing of this machine: the same wheel gives the same entries anywhere.
A library that searches others in the working directory is mended on its way, as scripts get their
interpreter; RECORD is of what is written.
Source: "Binary distribution format" and "Recording installed projects" of the Python packaging guide.
"""

import base64
import hashlib
import io
import posixpath
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from configparser import Error as ConfigError
from pathlib import Path
from typing import Any, BinaryIO, cast

from installer import install
from installer.destinations import WheelDestination
from installer.exceptions import InstallerError
from installer.records import Hash, InvalidRecordEntry, RecordEntry
from installer.scripts import Script
from installer.sources import WheelContentElement, WheelFile
from installer.utils import construct_record_file, parse_metadata_file
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from builder.errors import ArchiveError
from builder.model.lock import LockedWheel
from builder.model.package import Package
from builder.model.tree import NO_FACTS, Entry, Kind, Owner, Slice, parents
from builder.packages.store import Store, Writer
from builder.packages.unpacked import allowance
from builder.rootfs.archive import name_problem
from builder.rootfs.elf import Patch, facts_within, is_interesting, is_relative, without_relative

CHUNK = 1 << 20
HASHES = ("sha256", "sha384", "sha512")
OWN_METADATA = ("INSTALLER", "REQUESTED", "direct_url.json")
"""Files of .dist-info that an installer writes; a wheel has no business to bring them."""

_MALFORMED = (
    InstallerError,
    InvalidRecordEntry,
    zipfile.BadZipFile,
    zlib.error,
    ConfigError,
    AssertionError,  # `installer` asserts on entry points without an object
    EOFError,
    KeyError,
    RuntimeError,  # `zipfile` where it doesn't know the compression, or is asked for a password
    ValueError,
)


def install_wheel(store: Store, path: Path, locked: LockedWheel, python: str) -> tuple[Package, str]:
    """The package, and the sha256 of the blob that its contents are slices of."""
    owner = Owner(kind="wheel", name=locked.name, version=locked.version)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, locked.filename, allowance(path.stat().st_size))
            archive.filename = locked.filename
            source = _Source(archive)
            source.validate_record(validate_contents=False)
            _check_identity(source, locked)
            try:
                tree, blob = _laid_out(store, source, locked, python, {})
            except _SearchesRelativeError as error:
                tree, blob = _laid_out(store, source, locked, python, error.patches)
    except _MALFORMED as error:
        raise ArchiveError(f"{locked.filename}: is not a sound wheel: {_reason(error, locked)}") from None
    entries = _entries(tree.files, store.blob(blob), owner)
    return Package(owner=owner, entries=entries), blob


Patches = Mapping[str, tuple[Patch, ...]]
"""Path in the image -> what of the file is overwritten."""


class _SearchesRelativeError(Exception):
    """Libraries that would be searched in the working directory: known once the wheel is laid out."""

    def __init__(self, patches: Patches) -> None:
        super().__init__()
        self.patches = patches


def _laid_out(
    store: Store, source: "_Source", locked: LockedWheel, python: str, patches: Patches
) -> tuple["_Tree", str]:
    """And the sha256 of the blob. Raises `_SearchesRelativeError`, with nothing stored, where files have to
    be mended that `patches` doesn't."""
    with store.writer() as writer:
        tree = _Tree(writer, python, locked.filename, patches)
        install(source, tree, {"INSTALLER": b"temper\n"})
        tree.check_folders()
        with writer.read_back() as written:
            tree.learn(written)
    return tree, writer.sha256


def _reason(error: Exception, locked: LockedWheel) -> str:
    if isinstance(error, AssertionError):
        return "an entry point names no function"
    words = error.args[-1] if error.args else type(error).__name__  # the last is the text, if any is
    issues = getattr(error, "issues", None) or [words]
    return "; ".join(str(issue).removeprefix(f"In {locked.filename}, ").rstrip(".") for issue in issues)


def _check_members(archive: zipfile.ZipFile, name: str, limit: int) -> None:
    """What `zipfile` and `installer` let pass. Sizes can be believed: `zipfile` reads no further."""
    problems = []
    seen = set()
    for member in archive.infolist():
        problem = name_problem(member.filename) or _member_problem(member)
        if member.filename in seen:
            problem = "is in the archive twice"
        seen.add(member.filename)
        if problem:
            problems.append(f"{name}: {member.filename!r}: {problem}")
    total = sum(member.file_size for member in archive.infolist())
    if total > limit:
        problems.append(f"{name}: its files have {total} bytes, more than the {limit} that are allowed")
    if problems:
        raise ArchiveError("\n".join(problems[:100]))


def _member_problem(member: zipfile.ZipInfo) -> str | None:
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a directory"
    if member.flag_bits & 1:
        return "is encrypted"
    return None


def _check_identity(source: WheelFile, locked: LockedWheel) -> None:
    metadata = parse_metadata_file(source.read_dist_info("METADATA"))
    name, version = str(metadata["Name"]), str(metadata["Version"])
    try:
        same = Version(version) == Version(locked.version)
    except InvalidVersion:
        same = False
    if not same or canonicalize_name(name) != canonicalize_name(locked.name):
        expected = f"{locked.name} {locked.version}"
        raise ArchiveError(f"{locked.filename}: its METADATA says {name} {version}, the lock says {expected}")


class _Source(WheelFile):
    """Every file is checked against RECORD while it is read; byte code and installers' files are left out."""

    def get_contents(self) -> Iterator[WheelContentElement]:
        for record, stream, executable in super().get_contents():
            path, expected, _ = record
            folder, _, file = path.rpartition("/")
            if "__pycache__" in folder.split("/") or (folder == self.dist_info_dir and file in OWN_METADATA):
                continue
            checked = _Checked(stream, expected)
            yield record, cast(BinaryIO, checked), executable
            if expected and not checked.is_sound():
                raise ArchiveError(f"{self._zipfile.filename}: {path!r}: is not what RECORD says")


class _Checked(io.RawIOBase):
    def __init__(self, stream: BinaryIO, expected: str) -> None:
        algorithm, _, self._value = expected.partition("=")
        if expected and algorithm not in HASHES:
            raise ValueError(f"RECORD has a hash of the kind {algorithm!r}")
        self._stream = stream
        self._hash = hashlib.new(algorithm or "sha256")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._hash.update(data)
        buffer[: len(data)] = data
        return len(data)

    def is_sound(self) -> bool:
        return _encoded(self._hash.digest()) == self._value.rstrip("=")


def _encoded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class _File:
    """A file of the tree: where in the blob its content lies."""

    def __init__(
        self, mode: int, offset: int, size: int, hashes: tuple[str, str], *, interesting: bool
    ) -> None:
        self.mode, self.offset, self.size = mode, offset, size
        self.sha256, self.sha1 = hashes
        self.interesting = interesting
        self.facts = NO_FACTS


class _Tree(WheelDestination):
    """Lays the files out where Debian's Python looks for what its packages did not bring."""

    def __init__(self, writer: Writer, python: str, wheel: str, patches: Patches) -> None:
        self.files: dict[str, _File] = {}
        self._patches = patches
        packages = f"usr/local/lib/python{python}/dist-packages"
        self._folders = {
            "purelib": packages,
            "platlib": packages,
            "scripts": "usr/local/bin",
            "data": "usr/local",
            "headers": f"usr/local/include/python{python}",
        }
        self._interpreter = f"/usr/bin/python{python}"
        self._writer = writer
        self._wheel = wheel

    def write_script(self, name: str, module: str, attr: str, section: Any) -> RecordEntry:
        _, data = Script(name, module, attr, section).generate(self._interpreter, "posix")
        return self._write("scripts", name, io.BytesIO(data), 0o755)

    def write_file(self, scheme: Any, path: Any, stream: BinaryIO, is_executable: bool) -> RecordEntry:
        if scheme != "scripts":
            return self._write(scheme, path, stream, 0o755 if is_executable else 0o644)
        data = stream.read()
        if data.startswith(b"#!python"):
            data = f"#!{self._interpreter}\n".encode() + data.partition(b"\n")[2]
        return self._write(scheme, path, io.BytesIO(data), 0o755)

    def finalize_installation(
        self, scheme: Any, record_file_path: str, records: Iterable[tuple[Any, RecordEntry]]
    ) -> None:
        base = self._folders[scheme]
        rows = construct_record_file(
            records,
            lambda other: (
                posixpath.relpath(self._folders[other], base) + "/" if self._folders[other] != base else None
            ),
        )
        self._write(scheme, record_file_path, rows, 0o644)

    def learn(self, written: BinaryIO) -> None:
        """The facts of every file, from what was written."""
        wrong = {}
        for path, file in self.files.items():
            file.facts = facts_within(written, file.offset, file.size) if file.interesting else NO_FACTS
            elf = file.facts.elf
            if elf is not None and any(map(is_relative, (*elf.rpath, *elf.runpath))):
                wrong[path] = without_relative(written, file.offset, file.size)
        if wrong:
            raise _SearchesRelativeError(wrong)

    def check_folders(self) -> None:
        for path in self.files:
            for parent in parents(path):
                if parent in self.files:
                    raise ArchiveError(f"{self._wheel}: '/{parent}' would be a file and a directory")

    def _write(self, scheme: str, path: str, stream: BinaryIO, mode: int) -> RecordEntry:
        target = f"{self._folders[scheme]}/{path}"
        problem = name_problem(path)
        if problem is None and target in self.files:
            problem = f"is installed twice as '/{target}'"
        if problem is not None:
            raise ArchiveError(f"{self._wheel}: {path!r}: {problem}")
        offset = self._writer.size
        chunk = stream.read(CHUNK)
        interesting = is_interesting(chunk)
        digest, old = hashlib.sha256(), hashlib.sha1(usedforsecurity=False)
        while chunk:
            mended = patched(chunk, self._writer.size - offset, self._patches.get(target, ()))
            digest.update(mended)
            old.update(mended)
            self._writer.write(mended)
            chunk = stream.read(CHUNK)
        size = self._writer.size - offset
        hashes = (digest.hexdigest(), old.hexdigest())
        self.files[target] = _File(mode, offset, size, hashes, interesting=interesting)
        return RecordEntry(path, Hash("sha256", _encoded(digest.digest())), size)


def patched(chunk: bytes, at: int, patches: Iterable[Patch]) -> bytes:
    """A piece of a file, which begins at `at`, with what of the patches falls into it."""
    for place, data in patches:
        first, last = max(place, at), min(place + len(data), at + len(chunk))
        if first < last:
            chunk = chunk[: first - at] + data[first - place : last - place] + chunk[last - at :]
    return chunk


def _entries(files: dict[str, _File], blob: Path, owner: Owner) -> tuple[Entry, ...]:
    folders = sorted({parent for path in files for parent in parents(path)})
    entries = [Entry(path=path, kind=Kind.DIRECTORY, mode=0o755, owner=owner) for path in folders]
    for path, file in sorted(files.items()):
        content = Slice(
            path=blob,
            offset=file.offset,
            size=file.size,
            sha256=file.sha256,
            facts=file.facts,
            sha1=file.sha1,
        )
        entries.append(Entry(path=path, kind=Kind.FILE, mode=file.mode, content=content, owner=owner))
    return tuple(entries)
