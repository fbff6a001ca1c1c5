"""Reading and rewriting the account files: passwd(5), group(5), shadow(5), gshadow(5)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from builder.controls.edit import BY_CONTROL, with_rootfs
from builder.model.image import Image
from builder.model.tree import Bytes, Entry, Kind, Rootfs

PASSWD = "etc/passwd"  # noqa: S105 - a path
GROUP = "etc/group"
SHADOW = "etc/shadow"
GSHADOW = "etc/gshadow"
FIELDS = {PASSWD: 7, GROUP: 4}
NOLOGIN = "/usr/sbin/nologin"
"""Need not exist: `login` refuses a shell that doesn't."""

LARGEST = 1 << 20
"""Bytes. An account file beyond that is not one."""

Line = tuple[str, ...]
"""The fields of a line."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a process runs as."""

    uid: int
    gid: int


def read_text(rootfs: Rootfs, path: str) -> str | None:
    entry = rootfs.resolve(path)
    if entry is None or entry.content is None or entry.size > LARGEST:
        return None
    return text_of(entry)


LONGEST = 16 << 20
"""Bytes of any text that is looked at: ten times the package records of a desktop."""


def text_of(entry: Entry) -> str:
    """The beginning of it, where it is longer than any text would be."""
    assert entry.content is not None  # noqa: S101 - only called for files
    with entry.content.open() as stream:
        return stream.read(LONGEST).decode("utf-8", "surrogateescape")


def lines(text: str) -> tuple[Line, ...]:
    return tuple(tuple(line.split(":")) for line in text.split("\n") if line)


def lines_of(rootfs: Rootfs, path: str) -> tuple[Line, ...]:
    """No lines where the file is missing."""
    return lines(read_text(rootfs, path) or "")


def users(rootfs: Rootfs) -> tuple[Line, ...]:
    """The well-formed lines of passwd: name, password, uid, gid, comment, home, shell."""
    return tuple(line for line in lines_of(rootfs, PASSWD) if is_sound(PASSWD, line))


def groups(rootfs: Rootfs) -> tuple[Line, ...]:
    """The well-formed lines of group: name, password, gid, members."""
    return tuple(line for line in lines_of(rootfs, GROUP) if is_sound(GROUP, line))


def is_sound(path: str, line: Line) -> bool:
    numbers = line[2:4] if path == PASSWD else line[2:3]
    return (
        len(line) == FIELDS[path] and bool(line[0]) and all(identifier(text) is not None for text in numbers)
    )


def identifier(text: str) -> int | None:
    """A uid or gid written in digits, as the kernel takes them."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 10:
        return None
    return int(text) if int(text) < 2**32 - 1 else None


def user_ids(rootfs: Rootfs) -> frozenset[int]:
    return frozenset(int(line[2]) for line in users(rootfs))


def group_ids(rootfs: Rootfs) -> frozenset[int]:
    return frozenset(int(line[2]) for line in groups(rootfs))


def user_line(rootfs: Rootfs, uid: int) -> Line | None:
    return next((line for line in users(rootfs) if int(line[2]) == uid), None)


def account(image: Image) -> Account | None:
    """Whom an engine runs the image as, by its own files; `None` where a name doesn't resolve.

    A uid without a group runs with the group of its passwd line, and with group 0 where it has none.
    """
    name, _, group = (image.config.user or "0").partition(":")
    known = users(image.rootfs)
    line = next((line for line in known if line[0] == name), None)
    uid = int(line[2]) if line is not None else identifier(name)
    if uid is None:
        return None
    line = line or next((line for line in known if int(line[2]) == uid), None)
    if not group:
        return Account(uid, int(line[3]) if line is not None else 0)
    found = next((int(entry[2]) for entry in groups(image.rootfs) if entry[0] == group), identifier(group))
    return Account(uid, found) if found is not None else None


def rewrite(image: Image, path: str, change: Callable[[tuple[Line, ...]], Iterable[Line]]) -> Image:
    """Changes a file's lines; mode, owner and time stay. Nothing happens where the file is missing."""
    entry = image.rootfs.resolve(path)
    text = read_text(image.rootfs, path)
    if entry is None or text is None:
        return image
    after = "".join(":".join(line) + "\n" for line in change(lines(text)))
    if after == text:
        return image
    return put(image, entry.replace(content=Bytes(after.encode("utf-8", "surrogateescape"))))


def append(image: Image, path: str, line: Line) -> Image:
    """Adds a line, and the file where there is none."""
    if read_text(image.rootfs, path) is None:
        empty = Entry(
            path=path,
            kind=Kind.FILE,
            mode=0o644,
            content=Bytes(b""),
            mtime=image.config.created,
            owner=BY_CONTROL,
        )
        image = put(image, empty)
    return rewrite(image, path, lambda known: (*known, line))


def put(image: Image, *entries: Entry) -> Image:
    return with_rootfs(image, image.rootfs.with_entries(entries))
