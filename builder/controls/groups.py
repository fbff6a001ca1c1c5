"""Which groups the running process is in, and what they open."""

from collections.abc import Iterable, Iterator

from builder.controls import passwd
from builder.controls.edit import mend
from builder.controls.frame import Context, Control, NoParameters
from builder.controls.passwd import GROUP, Account, Line
from builder.controls.programs import EXECUTE, WRITE, allowed, fault, inside
from builder.controls.references import kubernetes_nsa, manual, openshift, pod_security
from builder.controls.survey import Placed
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.tree import Entry, Kind


class NoRootGroup(Control[NoParameters]):
    key = "no-root-group"
    title = "The image's user is not in group 0"
    why = (
        "What belongs to root often belongs to group 0 too: a process in that group reads what others may "
        "not, here and on every volume that is mounted."
    )
    remedy = "choose a group other than 0 in USER, and take the user out of group 0 in /etc/group"
    severity = Severity.LOW
    references = (kubernetes_nsa("1.6"),)

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        account = passwd.account(image)
        if account is None or account.uid == 0:
            return image
        if account.gid == 0:  # a group of one's own, as Debian's adduser gives; user-resolves adds it
            image = image.replace(config=image.config.replace(user=f"{account.uid}:{account.uid}"))
        return leave(image, account, {0})

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        account = passwd.account(image)
        if account is None or account.uid == 0:  # nonroot-user's business
            return
        if account.gid == 0:
            yield Finding(message=f"the image runs with group 0 (user '{image.config.user}')")
        for line in memberships(image, account):
            if int(line[2]) == 0:
                yield Finding(message=f"{GROUP}: the user is a member of '{line[0]}' (0)", path=GROUP)


class EffectiveGroups(Control[NoParameters]):
    key = "effective-groups"
    title = "The process is in the groups that the run contract names, and in no other"
    why = (
        "An engine takes memberships from /etc/group for USER 65532 and passes them by for 65532:65532: "
        "what `id` says and what the kernel does differ, and a test that asks `id` proves nothing."
    )
    remedy = "take the user out of the group in /etc/group; list it under `run: groups:` in the profile"
    foreign_remedy = (
        "take the user out of the group in /etc/group; start it with --group-add where it needs one"
    )
    severity = Severity.MEDIUM
    references = (kubernetes_nsa("1.6"), manual("group(5)"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        account = passwd.account(image)
        if account is None or account.uid == 0:
            return image
        return leave(image, account, {int(line[2]) for line in self._unwanted(image, account, context)})

    def _unwanted(self, image: Image, account: Account, context: Context) -> Iterator[Line]:
        declared = (context.plan.run.groups if context.plan is not None else None) or ()
        for line in memberships(image, account):
            if int(line[2]) not in {0, account.gid, *declared}:
                yield line

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        account = passwd.account(image)
        if account is None or account.uid == 0:
            return
        given = "ignores" if ":" in image.config.user else "gives the process"
        for line in self._unwanted(image, account, context):
            message = f"{GROUP}: the user is a member of '{line[0]}' ({line[2]}), which an engine {given}"
            yield Finding(message=message, path=GROUP)


def memberships(image: Image, account: Account) -> Iterator[Line]:
    """The lines of /etc/group that list a name of this uid."""
    names = {line[0] for line in passwd.users(image.rootfs) if int(line[2]) == account.uid}
    for line in passwd.groups(image.rootfs):
        if names.intersection(line[3].split(",")):
            yield line


def leave(image: Image, account: Account, gids: set[int]) -> Image:
    """Takes every name of the account out of the member lists of these groups."""
    names = {line[0] for line in passwd.users(image.rootfs) if int(line[2]) == account.uid}

    def left(known: Iterable[Line]) -> Iterator[Line]:
        for line in known:
            if passwd.is_sound(GROUP, line) and int(line[2]) in gids:
                kept = ",".join(name for name in line[3].split(",") if name not in names)
                yield (*line[:3], kept)
            else:
                yield line

    return passwd.rewrite(image, GROUP, left)


ANYBODY = Account(1_000_650_000, 0)
"""A uid out of a namespace's range, in group 0: what OpenShift's restricted-v2 runs every image as."""


class ArbitraryUser(Control[NoParameters]):
    key = "arbitrary-user"
    title = "The image works under any uid that is in group 0, which opens nothing else"
    why = (
        "OpenShift runs every image under a uid of its own choosing with group 0. An image that relies on "
        "its own uid can't write its data there, or is given more rights until it can."
    )
    remedy = "give group 0 the owner's rights on what is declared writable and nowhere else; set HOME"
    foreign_remedy = "give group 0 the owner's rights on the folders of volumes and nowhere else; set HOME"
    severity = Severity.MEDIUM
    references = (openshift("Creating images: support arbitrary user ids"), pod_security("restricted"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        writable = set(self._writable(image, context))
        home = self._home(image)
        own = frozenset({*writable, *([home] if home else ())})

        def opened(entry: Entry) -> Entry:
            if entry.path in writable and not allowed(entry, ANYBODY, WRITE):
                return entry.replace(gid=0, mode=entry.mode | entry.mode >> 3 & 0o070)
            if entry.path == home and not allowed(entry, ANYBODY, EXECUTE):
                return entry.replace(gid=0, mode=entry.mode | 0o050)
            return entry.replace(mode=entry.mode & ~extra(entry, own)) if extra(entry, own) else entry

        image = mend(image, opened)
        if home and image.config.env_value("HOME") is None:
            image = image.replace(config=image.config.with_env(HOME=f"/{home}"))
        return image

    def _writable(self, image: Image, context: Context) -> Iterator[str]:
        spec = context.plan.spec if context.plan is not None else None
        if spec is None:
            return
        paths = [item.path for item in spec.writable]
        for path in [*paths, *(item.path for item in spec.state if item.mode == "rw")]:
            entry = image.rootfs.resolve(path)
            if entry is not None and entry.kind is Kind.DIRECTORY:
                yield entry.path

    def _home(self, image: Image) -> str:
        account = passwd.account(image)
        line = passwd.user_line(image.rootfs, account.uid) if account is not None else None
        set_home = image.config.env_value("HOME")
        entry = image.rootfs.resolve(set_home or (line[5] if line is not None else ""))
        return entry.path if entry is not None and entry.kind is Kind.DIRECTORY else ""

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        if image.config.env_value("HOME") is None:
            yield Finding(message="variable HOME is not set, so that a uid without an account has '/'")
        for path in sorted(self._writable(image, context)):
            entry = image.rootfs[path]
            if not allowed(entry, ANYBODY, WRITE):
                yield Placed(entry).finding(f"is declared writable, but not by group 0 ({described(entry)})")
        home = self._home(image)
        own = frozenset({*self._writable(image, context), *([home] if home else ())})
        for entry in image.rootfs.values():
            if extra(entry, own):
                yield Placed(entry).finding(f"gives group 0 more than everybody ({described(entry)})")
        if home and not allowed(image.rootfs[home], ANYBODY, EXECUTE):
            entry = image.rootfs[home]
            yield Placed(entry).finding(f"can't be entered by group 0 ({described(entry)})")
        command = image.config.entrypoint or image.config.cmd
        problem = fault(image, command, ANYBODY) if command else None
        if problem is not None and fault(image, command, passwd.account(image)) is None:
            yield Finding(message=f"the entrypoint {problem}, under another uid")


def extra(entry: Entry, own: frozenset[str]) -> int:
    """Permissions of group 0 that others don't have, outside of what is declared: as bits of the mode."""
    if entry.gid != 0 or entry.kind is Kind.SYMLINK or inside(entry.path, own):
        return 0
    return entry.mode & ~(entry.mode << 3) & 0o070


def described(entry: Entry) -> str:
    return f"{entry.uid}:{entry.gid}, mode {entry.mode:04o}"
