"""What is in a root file system, counted out of its tar archives in one pass each."""

import gzip
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SET_ID = 0o6000
_EXECUTABLE = 0o111


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Bytes and counts. Hard links count once; no archive here hides what another one brings."""

    unpacked: int
    compressed: int
    packages: int
    files: int
    executables: int
    set_id: int
    """Files that run as somebody else: setuid or setgid."""


def size_of(members: Iterable[tarfile.TarInfo], compressed: int, packages: int) -> Size:
    files = {member.name.removeprefix("./"): member for member in members if member.isreg()}
    return Size(
        unpacked=sum(member.size for member in files.values()),
        compressed=compressed,
        packages=packages,
        files=len(files),
        executables=sum(bool(member.mode & _EXECUTABLE) for member in files.values()),
        set_id=sum(bool(member.mode & _SET_ID) for member in files.values()),
    )


def layout_size(folder: Path, packages: int) -> Size:
    """Of an OCI layout with one manifest."""
    blobs = folder / "blobs" / "sha256"
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    manifest = json.loads(_blob(blobs, index["manifests"][0]["digest"]).read_text(encoding="utf-8"))
    members: list[tarfile.TarInfo] = []
    for layer in manifest["layers"]:
        with tarfile.open(_blob(blobs, layer["digest"]), "r:gz") as archive:
            members += archive.getmembers()
    return size_of(members, sum(layer["size"] for layer in manifest["layers"]), packages)


def _blob(blobs: Path, digest: str) -> Path:
    return blobs / digest.partition(":")[2]


def archive_size(path: Path) -> Size:
    """Of a root file system that mmdebstrap wrote; compressed by gzip at its default level."""
    with tarfile.open(path, "r:") as archive:
        members = archive.getmembers()
        status = archive.extractfile("./var/lib/dpkg/status")
        packages = status.read().count(b"Status: install ok installed") if status is not None else 0
    return size_of(members, _compressed(path), packages)


def _compressed(path: Path) -> int:
    count = _Count()
    with gzip.GzipFile(fileobj=count, mode="wb", compresslevel=6, mtime=0) as packed, path.open("rb") as file:
        while chunk := file.read(1 << 20):
            packed.write(chunk)
    return count.size


class _Count:
    """A file that only counts."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: bytes) -> int:
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""
