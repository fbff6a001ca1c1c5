"""Whom the image runs as, and the accounts it knows."""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated

from pydantic import Field

from builder.controls import passwd
from builder.controls.edit import directory, mend
from builder.controls.frame import Context, Control, NoParameters, NotAssessed
from builder.controls.passwd import GROUP, GSHADOW, PASSWD, SHADOW, Line
from builder.controls.references import (
    cidg,
    cis,
    cis_linux,
    cwe,
    dockle,
    gpos,
    hadolint,
    nist,
    pod_security,
    srg,
)
from builder.controls.survey import Placed, survey
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.plan import USER_ID, USER_NAME
from builder.model.report import Finding, Severity
from builder.model.tree import Entry, Kind

UserId = Annotated[int, Field(ge=1, lt=2**32 - 1)]


class UserParameters(Strict):
    uid: UserId = Field(default=USER_ID, description="user id that the image runs as")
    gid: UserId = Field(default=USER_ID, description="group id that the image runs as")


class NonrootUser(Control[UserParameters]):
    key = "nonroot-user"
    title = "The image runs as a user and group other than root"
    why = (
        "A process that runs as uid 0 in a container is uid 0 to the kernel: one bug in the runtime or one "
        "careless mount away from the host. Group 0 opens what belongs to root's group."
    )
    remedy = "set USER to a uid and gid other than 0 that /etc/passwd and /etc/group of the image know"
    severity = Severity.HIGH
    references = (
        cis("4.1"),
        nist("4.1.2"),
        srg("SRG-APP-000342-CTR-000775"),
        cidg("CCI-002235"),
        pod_security("restricted: running as non-root"),
        dockle("CIS-DI-0001"),
        hadolint("DL3002"),
    )
    parameters = UserParameters

    def enforce(self, image: Image, parameters: UserParameters, context: Context) -> Image:
        user = f"{parameters.uid}:{parameters.gid}"
        return image if image.config.user == user else image.replace(config=image.config.replace(user=user))

    def audit(self, image: Image, parameters: UserParameters, context: Context) -> Iterable[Finding]:
        user = image.config.user
        account = passwd.account(image)
        if account is None:
            raise NotAssessed(f"user '{user}' is in no account file of the image")
        if account.uid == 0:
            yield Finding(message=f"the image runs as root (user '{user}')")
        elif account.gid == 0:
            yield Finding(message=f"the image runs with group 0 (user '{user}')")
        elif context.plan is not None and account != passwd.Account(parameters.uid, parameters.gid):
            asked = f"{parameters.uid}:{parameters.gid}"
            yield Finding(
                message=f"the image runs as {account.uid}:{account.gid}, the profile asks for {asked}"
            )


NUMERIC = re.compile(r"[0-9]+(:[0-9]+)?")


class NumericUser(Control[NoParameters]):
    key = "numeric-user"
    title = "The user is written in numbers"
    why = (
        "Kubernetes can't tell whether a name is root and refuses to start it under runAsNonRoot; a name "
        "also means whatever the image's own passwd says."
    )
    remedy = "write the uid and gid in digits: USER 65532:65532"
    severity = Severity.MEDIUM
    references = (pod_security("restricted: running as non-root user"), hadolint("DL3066"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        account = passwd.account(image)
        if account is None or NUMERIC.fullmatch(image.config.user):
            return image
        return image.replace(config=image.config.replace(user=f"{account.uid}:{account.gid}"))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        user = image.config.user
        if user and not NUMERIC.fullmatch(user):  # an empty one is root, which is nonroot-user's business
            yield Finding(message=f"user '{user}' is not written as uid:gid in digits")


class UserResolves(Control[NoParameters]):
    key = "user-resolves"
    title = "The user, its group and its home exist"
    why = (
        "getpwuid() fails for a uid that passwd lacks: Python's getpass and pathlib, ssh, git and many "
        "libraries then die at start-up, and caches land in / for want of a home."
    )
    remedy = "add the uid to /etc/passwd, the gid to /etc/group, and create the home directory owned by it"
    severity = Severity.MEDIUM
    references = (cis_linux("6.2.7"), cidg("CCI-000366"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        account = passwd.account(image)
        if account is None or account.uid == 0:
            return image
        if account.gid not in passwd.group_ids(image.rootfs):
            image = passwd.append(image, GROUP, (self._free_name(image, GROUP), "x", str(account.gid), ""))
        if account.uid not in passwd.user_ids(image.rootfs):
            image = self._with_user(image, account)
        return self._with_home(image, account)

    def _with_user(self, image: Image, account: passwd.Account) -> Image:
        name = self._free_name(image, PASSWD)
        ids = (str(account.uid), str(account.gid))
        line = (name, "x", *ids, "", f"/home/{name}", passwd.NOLOGIN)
        image = passwd.append(image, PASSWD, line)
        if SHADOW in image.rootfs:
            image = passwd.append(image, SHADOW, (name, "!*", "", "", "", "", "", "", ""))
        return image

    def _free_name(self, image: Image, path: str) -> str:
        """`nonroot`, or with a number where another id has that name."""
        taken = {line[0] for line in passwd.lines_of(image.rootfs, path)}
        number = 0
        while (name := USER_NAME + (str(number) if number else "")) in taken:
            number += 1
        return name

    def _with_home(self, image: Image, account: passwd.Account) -> Image:
        line = passwd.user_line(image.rootfs, account.uid)
        if line is None or not any(True for _ in self._home_problems(image, account, line)):
            return image
        place = line[5].strip("/")
        there = image.rootfs.resolve(place)
        if not place or (there is not None and there.kind is not Kind.DIRECTORY):
            return image
        path = there.path if there is not None else place
        mtime = there.mtime if there is not None else image.config.created
        return passwd.put(image, directory(path, 0o755, account.uid, account.gid, mtime))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        account = passwd.account(image)
        if account is None:
            yield Finding(message=f"user '{image.config.user}' is in no account file of the image")
            return
        line = passwd.user_line(image.rootfs, account.uid)
        if line is None:
            yield Finding(message=f"uid {account.uid} of the user is not in /etc/passwd", path=PASSWD)
        else:
            yield from self._home_problems(image, account, line)
        if account.gid not in passwd.group_ids(image.rootfs):
            yield Finding(message=f"gid {account.gid} of the user is not in /etc/group", path=GROUP)

    def _home_problems(self, image: Image, account: passwd.Account, line: Line) -> Iterator[Finding]:
        home = line[5]
        entry = image.rootfs.resolve(home)
        if entry is None or entry.kind is not Kind.DIRECTORY:
            yield Finding(
                message=f"home '{home}' of uid {account.uid} is not a directory", path=home.strip("/")
            )
        elif entry.uid != account.uid or entry.mode & 0o500 != 0o500:
            yield Placed(entry).finding(f"is the home of uid {account.uid} but owned by {entry.uid} "
                                        f"with mode {entry.mode:04o}")  # fmt: skip


LOCKED = ("!", "*")
NO_PASSWORD_HERE = frozenset({"x", "*", "!", "!!", "!*"})
"""What passwd and group may hold where a password would stand."""


class LockedPasswords(Control[NoParameters]):
    key = "locked-passwords"
    title = "No account has a password, and none can be entered without one"
    why = (
        "A password hash in a published image is a secret that anyone can crack at leisure; an empty field "
        "lets anyone become that user without a password."
    )
    remedy = "put '!' or '*' into the password field of /etc/shadow and 'x' into that of /etc/passwd"
    severity = Severity.HIGH
    references = (
        gpos("SV-203629"),
        gpos("SV-263650"),
        cis_linux("6.2.1"),
        dockle("DKL-LI-0001"),
        cwe("258"),
    )

    _files = (PASSWD, GROUP, SHADOW, GSHADOW, f"{PASSWD}-", f"{GROUP}-", f"{SHADOW}-", f"{GSHADOW}-")
    """With the copies that passwd tools leave behind."""

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        for path in self._files:
            image = passwd.rewrite(image, path, partial(self._locked, path))
        return image

    def _locked(self, path: str, known: Iterable[Line]) -> list[Line]:
        return [self._lock(path, line) for line in known]

    def _lock(self, path: str, line: Line) -> Line:
        if self._fault(path, line) is None:
            return line
        locked = "!" if "shadow" in path else "x"
        return (line[0], locked, *line[2:])

    def _fault(self, path: str, line: Line) -> str | None:
        password = line[1] if len(line) > 1 else "x"  # a line without fields is unique-ids' business
        shadow, group = "shadow" in path, path.startswith((GROUP, GSHADOW))
        if not password:
            return None if group else "an empty password"  # nobody enters a group with an empty one
        if shadow:
            return None if password.startswith(LOCKED) else "a password"
        return None if password in NO_PASSWORD_HERE else "a password"

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        found = survey(image)
        for path in self._files:
            for placed in found.named(path.removeprefix("etc/")):
                if placed.entry.path == path and placed.entry.kind is Kind.FILE:
                    yield from self._faults(path, placed)

    def _faults(self, path: str, placed: Placed) -> Iterator[Finding]:
        if placed.entry.size > passwd.LARGEST:
            yield placed.finding(f"is {placed.entry.size} bytes large, which no account file is")
            return
        for line in passwd.lines(passwd.text_of(placed.entry)):
            fault = self._fault(path, line)
            if fault is not None:
                yield placed.finding(f"gives '{line[0]}' {fault}")


class UniqueIds(Control[NoParameters]):
    key = "unique-ids"
    title = "Every name and id stands for one account, and uid 0 only for root"
    why = (
        "A second account with uid 0 is a hidden root; two names for one id make file owners and logs "
        "ambiguous; a line that can't be parsed means something else to every program."
    )
    remedy = "keep one line per name and id in /etc/passwd and /etc/group; give uid 0 to root alone"
    severity = Severity.MEDIUM
    references = (
        cis_linux("6.2.5"),
        cis_linux("6.2.16"),
        cis_linux("6.2.17"),
        cis_linux("6.2.18"),
        cis_linux("6.2.19"),
        dockle("DKL-LI-0002"),
    )

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        for path in (PASSWD, GROUP):
            image = passwd.rewrite(image, path, partial(self._kept, path))
        return image

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for path in (PASSWD, GROUP):
            for fault in self._sorted_out(path, passwd.lines_of(image.rootfs, path))[1]:
                yield Finding(message=f"{path}: {fault}", path=path)

    def _kept(self, path: str, known: Iterable[Line]) -> list[Line]:
        return self._sorted_out(path, known)[0]

    def _sorted_out(self, path: str, known: Iterable[Line]) -> tuple[list[Line], list[str]]:
        """The lines to keep (what getpwuid and getpwnam find first), and what is wrong with the others."""
        kept: list[Line] = []
        faults: list[str] = []
        names: set[str] = set()
        ids: set[int] = set()
        for line in known:
            fault = self._fault(path, line, names, ids)
            if fault is None:
                names.add(line[0])
                ids.add(int(line[2]))
                kept.append(line)
            else:
                faults.append(fault)
        return kept, faults

    def _fault(self, path: str, line: Line, names: set[str], ids: set[int]) -> str | None:
        if not passwd.is_sound(path, line):
            return f"line '{line[0]}:...' is malformed"
        number = int(line[2])
        if path == PASSWD and number == 0 and line[0] != "root":
            return f"'{line[0]}' has uid 0"
        if line[0] in names:
            return f"'{line[0]}' stands in it twice"
        if number in ids:
            return f"'{line[0]}' shares the id {number} with another"
        return None


SHELLS_THAT_REFUSE = frozenset(
    {"/usr/sbin/nologin", "/sbin/nologin", "/usr/bin/nologin", "/bin/nologin", "/bin/false", "/usr/bin/false"}
)


class NoLoginShells(Control[NoParameters]):
    key = "no-login-shells"
    title = "No account has a login shell"
    why = (
        "Whatever starts a session for an account (su, cron, an sshd of a side-car) takes the shell from "
        "this field."
    )
    remedy = "set the last field of every line of /etc/passwd to /usr/sbin/nologin"
    severity = Severity.LOW
    references = (nist("4.1.2"), cis_linux("5.4.2"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        def refusing(known: Iterable[Line]) -> Iterator[Line]:
            for line in known:
                yield (*line[:6], passwd.NOLOGIN) if self._has_shell(line) else line

        return passwd.rewrite(image, PASSWD, refusing)

    def _has_shell(self, line: Line) -> bool:
        """An empty field means /bin/sh."""
        return passwd.is_sound(PASSWD, line) and line[6] not in SHELLS_THAT_REFUSE

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for line in passwd.lines_of(image.rootfs, PASSWD):
            if self._has_shell(line):
                yield Finding(
                    message=f"{PASSWD}: '{line[0]}' has the login shell '{line[6] or '/bin/sh'}'", path=PASSWD
                )


SHADOW_GROUPS = frozenset({0, 42})
"""root, and Debian's statically allocated group shadow (base-passwd)."""


class AccountFiles(Control[NoParameters]):
    key = "account-files"
    title = "The account files belong to root, and only root may change them or read the shadow"
    why = "Who can write passwd or group is whoever he wants; who can read shadow can guess at leisure."
    remedy = (
        "chown root:root; chmod 0644 /etc/passwd and /etc/group, 0640 or less /etc/shadow and /etc/gshadow"
    )
    severity = Severity.MEDIUM
    references = (
        cis_linux("6.1.2"),
        cis_linux("6.1.3"),
        cis_linux("6.1.4"),
        cis_linux("6.1.5"),
        cidg("CCI-000366"),
    )

    _widest = {PASSWD: 0o644, GROUP: 0o644, SHADOW: 0o640, GSHADOW: 0o640}

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        def tightened(entry: Entry) -> Entry:
            widest = self._widest.get(entry.path)
            if widest is None or entry.kind is not Kind.FILE or self._fault(entry, widest) is None:
                return entry
            gid = entry.gid if entry.gid in self._group_ids(widest) else 0
            return entry.replace(mode=entry.mode & widest, uid=0, gid=gid)

        return mend(image, tightened)

    def _group_ids(self, widest: int) -> frozenset[int]:
        return SHADOW_GROUPS if widest == 0o640 else frozenset({0})

    def _fault(self, entry: Entry, widest: int) -> str | None:
        if entry.kind is not Kind.FILE:
            return f"is a {entry.kind}, not a file"
        if entry.uid != 0 or entry.gid not in self._group_ids(widest):
            return f"belongs to {entry.uid}:{entry.gid}"
        wide = entry.mode & ~widest
        return f"has mode {entry.mode:04o}, wider than {widest:04o}" if wide else None

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for path, widest in self._widest.items():
            entry = image.rootfs.get(path)
            fault = self._fault(entry, widest) if entry is not None else None
            if entry is not None and fault is not None:
                yield Placed(entry).finding(fault)
