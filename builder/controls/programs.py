"""Which program a command line starts, and who may do what with an entry."""

from collections.abc import Set

from builder.controls.passwd import Account
from builder.model.image import Image
from builder.model.tree import Entry, Kind

READ, WRITE, EXECUTE = 4, 2, 1

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What Docker and containerd set where the image sets none."""

SHELLS = frozenset(
    {"ash", "bash", "csh", "dash", "fish", "ksh", "ksh93", "mksh", "rbash", "sh", "static-sh", "tcsh", "zsh"}
)


FOLDERS = (["bin"], ["sbin"], ["libexec"])
"""Names of folders that hold programs."""


def allowed(entry: Entry, account: Account, what: int) -> bool:
    """By the permission bits, as the kernel takes them: the first class that fits decides. Not for root."""
    shift = 6 if entry.uid == account.uid else 3 if entry.gid == account.gid else 0
    return bool(entry.mode >> shift & what)


def is_program(entry: Entry) -> bool:
    """A file with an execute bit, or a link in a folder of programs."""
    if entry.kind is Kind.FILE:
        return bool(entry.mode & 0o111)
    return entry.kind is Kind.SYMLINK and entry.path.split("/")[-2:-1] in FOLDERS


def search_path(image: Image) -> list[str]:
    return (image.config.env_value("PATH") or DEFAULT_PATH).split(":")


def find(image: Image, command: str) -> Entry | None:
    """The entry that an exec of `command` would reach, links followed; `None` where there is none."""
    if "/" in command:
        start = "" if command.startswith("/") else image.config.workdir + "/"
        return image.rootfs.resolve(start + command)
    for folder in search_path(image):
        entry = image.rootfs.resolve(f"{folder}/{command}")
        if entry is not None and entry.kind is Kind.FILE and entry.mode & 0o111:
            return entry
    return None


def fault(image: Image, command: tuple[str, ...], account: Account | None) -> str | None:
    """Why an engine couldn't start an exec-form command, or `None`."""
    if len(command) > 1 and command[0].rpartition("/")[2] in SHELLS and command[1].startswith("-"):
        return f"is in shell form: '{' '.join(command)}'"
    entry = find(image, command[0])
    if entry is None:
        return f"starts '{command[0]}', which is not in the image"
    if entry.kind is not Kind.FILE:
        return f"starts '{command[0]}', which is a {entry.kind}"
    executable = entry.mode & 0o111
    if account is not None and account.uid != 0:
        executable = allowed(entry, account, EXECUTE)
    if not executable:
        return f"starts '{command[0]}', which the user may not execute (mode {entry.mode:04o})"
    return None


def inside(path: str, folders: Set[str]) -> bool:
    """Whether an entry is one of the folders or lies below one. Paths without leading slash."""
    return bool(folders) and bool(topmost(path, folders))


def topmost(path: str, folders: Set[str]) -> str:
    """The outermost of the folders that an entry is or lies below; empty where there is none."""
    cut = path.find("/")
    while cut > 0:
        if path[:cut] in folders:
            return path[:cut]
        cut = path.find("/", cut + 1)
    return path if path in folders else ""
