"""The virtual file tree: paths to entries, with contents that are read only when a layer is written."""

import hashlib
import io
from bisect import bisect_left
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar, overload

T = TypeVar("T")


class Kind(StrEnum):
    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    DEVICE = "device"
    """A character or block device: never composed, but a foreign layer may hold one."""
    FIFO = "fifo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Elf:
    """What the loader needs to know of an ELF file (System V gABI, dynamic section and program headers)."""

    machine: str
    """`x86_64` or `aarch64`, else the gABI's number as text."""
    needed: tuple[str, ...] = ()
    soname: str | None = None
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    interpreter: str | None = None
    executable_stack: bool = False
    build_id: str = ""
    """Hex, as the linker wrote it: by it debuggers and advisories know one build from another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was learnt of a file's content when it was first read; never read again."""

    elf: Elf | None = None
    shebang: str | None = None
    """The first line of a script after `#!`, stripped: `/usr/bin/python3 -I`."""
    look: str | None = None
    """What it looks like to a search for secrets: `a private key`, empty for nothing; `None` where nobody
    has looked yet."""


NO_FACTS = Facts()


class Content(Protocol):
    """A file's bytes, wherever they lie."""

    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def facts(self) -> Facts: ...
    def open(self) -> BinaryIO: ...


@dataclass(frozen=True, slots=True)
class Bytes:
    """Generated content, held in memory."""

    data: bytes
    facts: Facts = NO_FACTS

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """`size` bytes at `offset` of a file on disk: a member of an uncompressed archive, or a whole file."""

    path: Path
    offset: int
    size: int
    sha256: str
    facts: Facts = NO_FACTS
    sha1: str = ""
    """What SPDX names a file by; empty where nobody made it."""

    def open(self) -> BinaryIO:
        return io.BufferedReader(_SliceReader(self), 1 << 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhashed:
    """A large part of a file on disk whose digest nobody may ever ask for: it is made when somebody does."""

    path: Path
    offset: int
    size: int
    facts: Facts = NO_FACTS
    _known: list[str] = field(default_factory=list, compare=False, repr=False)

    @property
    def sha256(self) -> str:
        if not self._known:
            digest = hashlib.sha256()
            with self.open() as stream:
                while piece := stream.read(1 << 20):
                    digest.update(piece)
            self._known.append(digest.hexdigest())
        return self._known[0]

    def open(self) -> BinaryIO:
        return io.BufferedReader(_SliceReader(self), 1 << 16)


class _SliceReader(io.RawIOBase):
    def __init__(self, slice_: "Slice | Unhashed") -> None:
        self._file = slice_.path.open("rb")
        self._file.seek(slice_.offset)
        self._left = slice_.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(memoryview(buffer)[: self._left])
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who brought an entry: `deb libc6 2.41-12`, `wheel numpy 2.4.0`, `file app/`, `temper accounts`."""

    kind: str
    """`deb`, `wheel`, `file` (the user's own), `temper` (generated), or `layer` (read back from an image)."""
    name: str
    version: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.name, self.version) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    path: str
    """Relative to the root, normalised, no leading slash: `usr/bin/python3.13`."""
    kind: Kind
    mode: int
    """Permission bits, 0 to 0o7777."""
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    """Seconds since the epoch."""
    content: Content | None = None
    """For files only."""
    target: str = ""
    """For symlinks only, as it is stored in the link."""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    owner: Owner = Owner(kind="temper", name="tree")

    @property
    def size(self) -> int:
        return self.content.size if self.content is not None else 0

    def replace(self, **changes: Any) -> "Entry":
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, eq=False)
class Rootfs(Mapping[str, Entry]):
    """An immutable tree. Iteration is in path order; every parent of an entry is there as a directory."""

    _entries: Mapping[str, Entry] = field(default_factory=dict)
    _paths: list[str] = field(default_factory=list, repr=False)
    """For who looks for a place in the order: made when somebody first does."""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Rootfs":
        return cls({entry.path: entry for entry in sorted(entries, key=lambda entry: entry.path)})

    def __getitem__(self, path: str) -> Entry:
        return self._entries[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @overload
    def get(self, path: str, /) -> Entry | None: ...
    @overload
    def get(self, path: str, default: "Entry | T", /) -> "Entry | T": ...
    def get(self, path: str, default: Any = None, /) -> Any:
        """As `Mapping` has it, but five times as fast."""
        return self._entries.get(path, default)

    def values(self) -> ValuesView[Entry]:
        """The mapping's own: every control walks the tree."""
        return self._entries.values()

    def items(self) -> ItemsView[str, Entry]:
        return self._entries.items()

    def files(self) -> Iterator[Entry]:
        return (entry for entry in self._entries.values() if entry.kind is Kind.FILE)

    def with_entries(self, entries: Iterable[Entry]) -> "Rootfs":
        """Adds or replaces; missing parents appear as directories 0755 owned by root."""
        merged = dict(self._entries)
        for entry in entries:
            merged[entry.path] = entry
            parent = entry.path
            while (cut := parent.rfind("/")) > 0 and (parent := parent[:cut]) not in merged:
                merged[parent] = Entry(path=parent, kind=Kind.DIRECTORY, mode=0o755, mtime=entry.mtime)
        return Rootfs.of(merged.values())

    def without(self, paths: Iterable[str]) -> "Rootfs":
        """Removes entries, and everything below the ones that are directories."""
        gone = set(paths)
        if not gone:
            return self
        kept = {}
        for path, entry in self._entries.items():  # a folder comes before what lies in it
            if path in gone or path.rpartition("/")[0] in gone:
                gone.add(path)
            else:
                kept[path] = entry
        return Rootfs(kept)

    def resolve(self, path: str) -> Entry | None:
        """The entry at `path` after following every symlink inside the tree, as a chroot would; or None."""
        parts = [part for part in reversed(path.split("/")) if part and part != "."]
        resolved: list[str] = []
        hops = 0
        while parts:
            part = parts.pop()
            if part == "..":
                resolved = resolved[:-1]
                continue
            entry = self._entries.get("/".join([*resolved, part]))
            if entry is None:
                return None
            if entry.kind is not Kind.SYMLINK:
                resolved.append(part)
                continue
            hops += 1
            if hops > 40 or len(entry.target) > 4096:  # Linux: ELOOP after 40, ENAMETOOLONG
                return None
            if entry.target.startswith("/"):
                resolved = []
            parts += [step for step in reversed(entry.target.split("/")) if step and step != "."]
        return self._entries.get("/".join(resolved)) if resolved else None

    def below(self, path: str) -> Iterator[Entry]:
        """Every entry strictly below a directory."""
        if not self._paths:
            self._paths.extend(self._entries)
        prefix = path.rstrip("/") + "/"
        for at in range(bisect_left(self._paths, prefix), len(self._paths)):
            if not self._paths[at].startswith(prefix):
                return
            yield self._entries[self._paths[at]]


def parents(path: str) -> list[str]:
    """`usr/lib/x` -> `["usr/lib", "usr"]`."""
    found = []
    while (cut := path.rfind("/")) > 0:
        path = path[:cut]
        found.append(path)
    return found
