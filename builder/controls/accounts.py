"""The accounts that the image knows."""

from collections.abc import Iterable, Iterator
from functools import partial

from builder.controls import passwd
from builder.controls.edit import mend
from builder.controls.frame import Context, Control, NoParameters
from builder.controls.passwd import GROUP, GSHADOW, PASSWD, SHADOW, Line
from builder.controls.references import cidg, cis_linux, cwe, dockle, gpos, nist
from builder.controls.survey import Placed, survey
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.tree import Entry, Kind

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
