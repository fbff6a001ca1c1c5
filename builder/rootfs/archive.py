"""From the members of a tar archive to entries of the tree: every name judged before it is used.

A package of ours must be sound (strict). A layer that others wrote is looked at in spite of its problems,
and what an engine would make of them is what the tree shows (lenient).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from builder.errors import ArchiveError
from builder.model.tree import Content, Entry, Kind, Owner
from builder.rootfs.members import Member, Members

MAX_PATH = 4096
MAX_NAME = 255
"""Bytes of one name: what Linux' file systems hold (`NAME_MAX`); `MAX_PATH` is `PATH_MAX`."""
MAX_PROBLEMS = 100
MAX_ENTRIES = 400_000
"""Entries of one image, with the folders that they imply; the largest hold some 250,000."""
MAX_TEXT = 64 << 20
"""Bytes of all names, link targets and extended attributes of one image."""

Keep = Callable[[Member, BinaryIO], Content]
"""Makes a file's content of its member and a stream of its bytes, which ends with them."""


@dataclass(slots=True)
class Room:
    """What may still be kept in memory of one image: shared by its layers."""

    entries: int = MAX_ENTRIES
    text: int = MAX_TEXT


_SPECIAL = {"3": Kind.DEVICE, "4": Kind.DEVICE, "6": Kind.FIFO}
_NAMES = {"3": "a character device", "4": "a block device", "6": "a FIFO"}


def read_package(stream: BinaryIO, archive: str, owner: Owner, keep: Keep) -> tuple[Entry, ...]:
    """The entries of a tar archive that has to be sound, in the archive's order.

    Refused with `ArchiveError`, all problems at once, each as `archive: 'entry': what`: absolute names,
    `..`, links that leave the tree, hard links to nothing, devices and FIFOs, duplicates, entries below
    what is no directory, sparse files, and whatever readers of the format disagree about.
    """
    reader = _Reader(archive, owner, keep, {}, Room(), strict=True)
    reader.read(stream)
    if reader.problems:
        raise ArchiveError("\n".join(reader.problems))
    return tuple(reader.entries.values())


def read_layer(
    stream: BinaryIO,
    archive: str,
    owner: Owner,
    keep: Keep,
    below: Mapping[str, Entry] | None = None,
    room: Room | None = None,
) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """The entries of a layer and its problems, whiteouts (`.wh.`) being entries like others.

    Hard links may lead to `below`, the tree of the layers underneath. Entries whose name leaves the tree
    are left out, of duplicates the last one counts. Devices and FIFOs are entries, and no problem of the
    archive. Raises `ArchiveError` only where the archive can't be read to its end, or holds more than there
    is `room` for.
    """
    reader = _Reader(archive, owner, keep, below or {}, room or Room(), strict=False)
    reader.read(stream)
    return tuple(reader.entries.values()), tuple(reader.problems)


def clean_path(name: str) -> str | None:
    """`./usr//lib/` -> `usr/lib`; the root is empty; `None` for a name that leads out of the tree."""
    if "/." not in name and "//" not in name and not name.startswith(("/", ".")):
        return name.rstrip("/")  # as nearly all are written
    steps: list[str] = []
    for step in name.split("/"):
        if step == "..":
            if not steps:
                return None
            steps.pop()
        elif step not in ("", "."):
            steps.append(step)
    return "/".join(steps)


def name_problem(name: str) -> str | None:
    """What is wrong with an entry's name, or None."""
    if not name:
        return "the name is empty"
    if name.startswith("/"):
        return "the name is absolute"
    if ".." in name and ".." in name.split("/"):
        return "the name holds '..'"
    return _text_problem(name, "name")


def link_problem(path: str, target: str) -> str | None:
    """What is wrong with the target of the symlink at `path`, or None. Absolute targets stay in the tree."""
    if not target:
        return "the symlink leads nowhere"
    if not target.startswith("/") and clean_path(f"{path}/../{target}") is None:
        return f"the symlink to {target!r} leads out of the tree"
    return _text_problem(target, "symlink's target")


def _text_problem(text: str, what: str) -> str | None:
    if len(text) <= MAX_NAME and text.isascii() and text.isprintable():
        return None
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return f"the {what} is not UTF-8"
    if not text.isprintable() and any(ord(char) < 32 or ord(char) == 127 for char in text):
        return f"the {what} holds a control character"
    if size > MAX_PATH or (size > MAX_NAME and any(len(p.encode()) > MAX_NAME for p in text.split("/"))):
        return f"the {what} is longer than Linux allows"
    return None


class _Reader:
    def __init__(
        self,
        archive: str,
        owner: Owner,
        keep: Keep,
        below: Mapping[str, Entry],
        room: Room,
        *,
        strict: bool,
    ) -> None:
        self.entries: dict[str, Entry] = {}
        self.problems: list[str] = []
        self._archive = archive
        self._owner = owner
        self._keep = keep
        self._below = below
        self._room = room
        self._strict = strict
        self._at = ""
        """The entry that is being read."""
        self._folders: set[str] = {""}
        """Paths that other entries stand below."""

    def read(self, stream: BinaryIO) -> None:
        members = Members(stream, self._archive, self._note)
        try:
            for member in members:
                self._at = member.name
                self._add(member, members)
        except ArchiveError as error:
            raise ArchiveError(f"{error}, at {self._at!r}" if self._at else str(error)) from None
        if self._strict and not members.ended:
            self._note(f"{self._archive}: has no end-of-archive marker; it may have been cut off")

    def _note(self, problem: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        elif len(self.problems) == MAX_PROBLEMS:
            self.problems.append(f"{self._archive}: has more problems than are listed here")

    def _complain(self, member: Member, problem: str | None) -> None:
        if problem is not None:
            self._note(f"{self._archive}: {member.name!r}: {problem}")

    def _add(self, member: Member, members: Members) -> None:
        if (problem := name_problem(member.name)) is not None:
            self._complain(member, problem)
        path = clean_path(member.name)
        if not path or "\0" in path or len(path) > MAX_PATH:  # no file system takes such a name
            if path == "" and member.type != "5":
                self._complain(member, "the root is not a directory")
            return
        entry = self._entry(path, member, members)
        if entry is None:
            return
        self._place(member, entry)

    def _entry(self, path: str, member: Member, members: Members) -> Entry | None:
        if member.type == "0":
            return self._made(path, member, Kind.FILE, content=self._keep(member, members.data()))
        if member.type == "5":
            return self._made(path, member, Kind.DIRECTORY)
        if member.type == "2":
            self._complain(member, link_problem(path, member.target))
            return self._made(path, member, Kind.SYMLINK, target=member.target)
        if member.type == "1":
            return self._hard_link(path, member)
        return self._special(path, member)

    def _made(
        self, path: str, member: Member, kind: Kind, content: Content | None = None, target: str = ""
    ) -> Entry:
        return Entry(
            path=path,
            kind=kind,
            mode=0o777 if kind is Kind.SYMLINK else member.mode,
            uid=member.uid,
            gid=member.gid,
            mtime=member.mtime,
            content=content,
            target=target,
            xattrs=member.xattrs,
            owner=self._owner,
        )

    def _hard_link(self, path: str, member: Member) -> Entry | None:
        """A file of its own that shares the content: layers are written without hard links."""
        target = clean_path(member.target)
        found = self.entries.get(target or "") or self._below.get(target or "")
        if found is None or found.kind is Kind.DIRECTORY:
            self._complain(member, f"the hard link leads to {member.target!r}, which is no file before it")
            return None
        self._complain(
            member, name_problem(member.target) and f"the hard link to {member.target!r} is unsafe"
        )
        return found.replace(path=path, owner=self._owner)

    def _special(self, path: str, member: Member) -> Entry | None:
        kind = _SPECIAL.get(member.type)
        if kind is None:
            self._complain(member, f"is of the unknown type {member.type!r}")
            return None
        if self._strict:
            self._complain(member, f"is {_NAMES[member.type]}")
        return self._made(path, member, kind)

    def _place(self, member: Member, entry: Entry) -> None:
        path = entry.path
        earlier = self.entries.pop(path, None)
        if earlier is not None and earlier != entry:
            self._complain(member, "is in the archive twice")
        if entry.kind is not Kind.DIRECTORY and path in self._folders:
            self._complain(member, "is no directory, though other entries lie below it")
        if path.rpartition("/")[0] not in self._folders:
            self._stand_below(member, path)
        self._take_room(member)
        self.entries[path] = entry

    def _take_room(self, member: Member) -> None:
        room = self._room
        room.entries -= 1
        room.text -= len(member.name) + len(member.target)
        for name, value in member.xattrs:
            room.text -= len(name) + len(value)
        if room.entries < 0:
            raise ArchiveError(f"{self._archive}: the image holds more than {MAX_ENTRIES} entries")
        if room.text < 0:
            raise ArchiveError(
                f"{self._archive}: the image's names and attributes take more than {MAX_TEXT} bytes"
            )

    def _stand_below(self, member: Member, path: str) -> None:
        """Writing below a symlink of the archive would write elsewhere."""
        while (path := path.rpartition("/")[0]) not in self._folders:
            self._folders.add(path)
            self._room.entries -= path not in self.entries and path not in self._below
            above = self.entries.get(path)
            if above is not None and above.kind is not Kind.DIRECTORY:
                self._complain(member, f"lies below {path!r}, which is a {above.kind}")
