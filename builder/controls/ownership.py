"""The running user owns nothing but what was declared to be its own."""

from collections.abc import Iterable

from builder.controls import passwd
from builder.controls.edit import directory, mend, with_rootfs
from builder.controls.frame import Context, Control, NoParameters, NotAssessed
from builder.controls.passwd import Account
from builder.controls.programs import READ, WRITE, allowed, inside
from builder.controls.references import cis, gpos, nist
from builder.controls.survey import Placed, survey
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.tree import Entry, Kind

SYSTEM_FOLDERS = frozenset({"bin", "boot", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr"})
"""Top-level folders that are code and configuration whatever a volume says."""
DATA_FOLDERS = frozenset({"dev", "home", "media", "mnt", "proc", "run", "sys", "tmp", "var"})
"""Top-level folders that hold data by the Filesystem Hierarchy Standard. All others hold code."""


def is_own_place(path: str) -> bool:
    """A volume is how an image that others built says where it writes, unless it lies over code."""
    place = path.strip("/")
    return place not in ("", "opt") and place.partition("/")[0] not in SYSTEM_FOLDERS


def declared_folders(image: Image, context: Context) -> frozenset[str]:
    """Where the user may own things: its home, and what image.yaml says is writable or brought by state.

    Of an image without image.yaml, its volumes.
    """
    folders = set()
    account = passwd.account(image)
    line = passwd.user_line(image.rootfs, account.uid) if account is not None and account.uid else None
    if line is not None and line[5].strip("/"):
        folders.add(line[5].strip("/"))
    if context.plan is not None:
        spec = context.plan.spec
        folders |= {item.path.strip("/") for item in spec.writable}
        folders |= {item.path.strip("/") for item in spec.state}
    else:
        folders |= {path.strip("/") for path in image.config.volumes if is_own_place(path)}
    for path in tuple(folders):
        entry = image.rootfs.resolve(path)
        folders |= {entry.path} if entry is not None else set()
    return frozenset(folders)


NOBODY = Account(2**32 - 2, 2**32 - 2)
"""Holds no permission but those of everybody; stands for a user that is root or unknown."""


def search_fault(image: Image, part: str, context: Context) -> str | None:
    """Why programs or libraries must not be looked for in a folder: someone may put his own there."""
    if not part.startswith("/"):
        return "is not absolute"
    user = passwd.account(image) or NOBODY
    user = NOBODY if user.uid == 0 else user
    place = part.strip("/")
    if inside(place, declared_folders(image, context)):
        return "is the user's own"
    while place:  # who can write a folder above can put the missing ones there
        entry = image.rootfs.resolve(place)
        if entry is not None:
            mine = entry.kind is not Kind.SYMLINK and allowed(entry, user, WRITE)
            return "may be written by the user" if mine else None
        place = place.rpartition("/")[0]
    return None


class CodeOwnedByRoot(Control[NoParameters]):
    key = "code-owned-by-root"
    title = "Code, libraries and configuration belong to root and no group may change them"
    why = (
        "A process that can rewrite its own code turns one bug into a lasting one, and even a read-only "
        "root is only as good as the run command that asks for it."
    )
    remedy = "chown root:root and chmod g-w; keep what the service writes under `writable:` or `state:`"
    foreign_remedy = "chown root:root and chmod g-w; keep what the service writes on a tmpfs or a volume"
    severity = Severity.HIGH
    references = (gpos("SV-203675"), nist("4.4.4"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        own = declared_folders(image, context)

        def rooted(entry: Entry) -> Entry:
            if self._fault(entry) is None or self._is_data(entry.path, own):
                return entry
            mode = entry.mode if entry.kind is Kind.SYMLINK else entry.mode & ~0o020
            return entry.replace(uid=0, gid=entry.gid if entry.uid == 0 else 0, mode=mode)

        return mend(image, rooted)

    def _fault(self, entry: Entry) -> str | None:
        if entry.uid != 0:
            return f"belongs to uid {entry.uid}"
        if entry.mode & 0o020 and entry.kind in (Kind.FILE, Kind.DIRECTORY):
            return f"may be written by group {entry.gid} (mode {entry.mode:04o})"
        return None

    def _is_data(self, path: str, own: frozenset[str]) -> bool:
        return path.partition("/")[0] in DATA_FOLDERS or inside(path, own)

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        found = survey(image)
        own = declared_folders(image, context)
        suspects = [placed for placed in found.not_root if placed.entry.uid != 0]
        suspects += [placed for placed in found.writable if placed.entry.uid == 0]
        for placed in suspects:
            fault = self._fault(placed.entry)
            if fault is not None and not self._is_data(placed.entry.path, own):
                yield placed.finding(fault)


class DeclaredWritable(Control[NoParameters]):
    key = "declared-writable"
    title = "What is declared writable is there for the user, and no other data is the user's"
    why = (
        "With a read-only root a service fails at its first write to a path nobody declared; and whatever "
        "else its user may write survives there for an intruder."
    )
    remedy = "list scratch space under `writable:` and volumes under `state:` in image.yaml; chown the rest"
    foreign_remedy = "chown to root what the service only reads; keep what it writes on a tmpfs or a volume"
    severity = Severity.MEDIUM
    references = (nist("4.4.4"), cis("5.13"))

    def _account(self, image: Image) -> Account:
        account = passwd.account(image)
        if account is None or account.uid == 0:
            raise NotAssessed("the image runs as root or as an unknown user, who is not held by permissions")
        return account

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        account = passwd.account(image)
        if account is None or account.uid == 0 or context.plan is None:
            return image
        for path, what in self._declared(context):
            if self._fault(image, path, what, account) is not None:
                image = self._made(image, path, account, what)
        own = declared_folders(image, context)

        def taken_away(entry: Entry) -> Entry:
            if not self._is_undeclared(entry, account, own):
                return entry
            if entry.uid == account.uid:
                return entry.replace(uid=0, gid=0)
            return entry.replace(mode=entry.mode & ~0o020)

        return mend(image, taken_away)

    def _declared(self, context: Context) -> list[tuple[str, int]]:
        """Paths, and what the user must be able to do with each."""
        spec = context.known_plan().spec
        wanted = [(item.path, WRITE) for item in spec.writable]
        return wanted + [(item.path, WRITE if item.mode == "rw" else READ) for item in spec.state]

    def _made(self, image: Image, path: str, account: Account, what: int) -> Image:
        there = image.rootfs.resolve(path)
        if there is not None and there.kind is not Kind.DIRECTORY:
            return image
        if there is not None and what == READ:
            return passwd.put(image, there.replace(mode=there.mode | 0o555))
        place = there.path if there is not None else path.strip("/")
        uid, gid = (account.uid, account.gid) if what == WRITE else (0, 0)
        return passwd.put(image, directory(place, 0o755, uid, gid, image.config.created))

    def _fault(self, image: Image, path: str, what: int, account: Account) -> str | None:
        entry = image.rootfs.resolve(path)
        if entry is None:
            return "is declared in image.yaml but not in the image"
        if entry.kind is not Kind.DIRECTORY:
            return f"is declared in image.yaml as a folder but is a {entry.kind}"
        if not allowed(entry, account, what):
            verb = "written" if what == WRITE else "read"
            return f"is declared in image.yaml but can't be {verb} by uid {account.uid}"
        return None

    def _is_undeclared(self, entry: Entry, account: Account, own: frozenset[str]) -> bool:
        """World-writable ones are `no-world-writable`'s, code is `code-owned-by-root`'s."""
        if entry.path.partition("/")[0] not in DATA_FOLDERS or entry.mode & 0o002:
            return False
        if entry.kind not in (Kind.FILE, Kind.DIRECTORY) or inside(entry.path, own):
            return False
        return entry.uid == account.uid or (entry.gid == account.gid and bool(entry.mode & 0o020))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        account = self._account(image)
        for path, what in self._declared(context):
            fault = self._fault(image, path, what, account)
            if fault is not None:
                yield Finding(message=f"{path.strip('/')} {fault}", path=path.strip("/"))
        own = declared_folders(image, context)
        found = survey(image)
        rootly = [placed for placed in found.writable if placed.entry.uid == placed.entry.gid == 0]
        for placed in (*found.not_root, *(rootly if account.gid == 0 else ())):
            if self._is_undeclared(placed.entry, account, own):
                yield self._undeclared(placed, account)

    def _undeclared(self, placed: Placed, account: Account) -> Finding:
        return placed.finding(f"may be written by uid {account.uid}, though image.yaml doesn't declare it")


LOGS = "var/log"
STREAMS = ("/dev/stdout", "/dev/stderr", "/proc/self/fd/1", "/proc/self/fd/2", "/proc/1/fd/1", "/proc/1/fd/2")
"""Where links of log files may lead: to the engine."""


class CleanLogs(Control[NoParameters]):
    key = "clean-logs"
    title = "/var/log belongs to root and is empty; logs go to the engine"
    why = (
        "Logs of a build tell how the image was made and by whom. Logs that a service writes into its own "
        "container can be changed by whoever broke into it, and are gone with it."
    )
    remedy = "remove the files in the layer that brings them; log to stdout, or link the file to /dev/stdout"
    severity = Severity.LOW
    references = (gpos("SV-203664"), nist("4.4.4"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        own = declared_folders(image, context)
        gone = [path for path in image.rootfs if self._is_log(image.rootfs[path], own)]
        image = with_rootfs(image, image.rootfs.without(gone))
        folder = image.rootfs.get(LOGS)
        if folder is None or folder.kind is not Kind.DIRECTORY or self._loose(folder) is None:
            return image
        return passwd.put(image, folder.replace(uid=0, gid=0, mode=folder.mode & 0o755))

    def _is_log(self, entry: Entry, own: frozenset[str]) -> bool:
        if not entry.path.startswith(LOGS + "/") or entry.kind is Kind.DIRECTORY:
            return False
        return entry.target not in STREAMS and not inside(entry.path, own)

    def _loose(self, folder: Entry) -> str | None:
        if folder.uid != 0 or folder.gid != 0:
            return f"belongs to {folder.uid}:{folder.gid}, not to root"
        return f"has mode {folder.mode:04o}, wider than 0755" if folder.mode & 0o7022 else None

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        folder = image.rootfs.get(LOGS)
        loose = self._loose(folder) if folder is not None else None
        if folder is not None and loose is not None and LOGS not in declared_folders(image, context):
            yield Placed(folder).finding(loose)
        own = declared_folders(image, context)
        for entry in image.rootfs.below(LOGS):
            if self._is_log(entry, own):
                yield Placed(entry).finding("is a log of a build")
