"""Nothing in the image hands out more rights than the process was started with."""

from collections.abc import Iterable

from builder.controls import passwd
from builder.controls.edit import mend
from builder.controls.frame import Context, Control, NoParameters
from builder.controls.lists import PRIVILEGE_TOOLS
from builder.controls.references import cidg, cis, cis_linux, cwe, dockle, hadolint, nist, pod_security
from builder.controls.survey import survey
from builder.controls.unwanted import NoPrograms
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.tree import Entry, Kind


class NoSetuid(Control[NoParameters]):
    key = "no-setuid"
    title = "No file is setuid or setgid"
    why = (
        "A setuid program runs with its owner's rights whoever starts it: the classic way from a broken-into "
        "service to root. Layers below count too: what a later layer hides, another container can use."
    )
    remedy = "clear the bits (chmod u-s,g-s) in the layer that brings the file, or leave the file out"
    severity = Severity.HIGH
    references = (
        cis("4.8"),
        cidg("CCI-002235"),
        cis_linux("6.1.13"),
        cis_linux("6.1.14"),
        dockle("CIS-DI-0008"),
    )

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        def masked(entry: Entry) -> Entry:
            if entry.mode & 0o6000 and entry.kind is Kind.FILE:
                return entry.replace(mode=entry.mode & ~0o6000)
            return entry

        return mend(image, masked)

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for placed in survey(image).setuid:
            kinds = ((0o4000, "setuid"), (0o2000, "setgid"))
            bits = " and ".join(name for bit, name in kinds if placed.entry.mode & bit)
            yield placed.finding(f"is {bits} (mode {placed.entry.mode:04o})")


CAPABILITY = "security.capability"


class NoFileCapabilities(Control[NoParameters]):
    key = "no-file-capabilities"
    title = "No file carries capabilities"
    why = "File capabilities hand out parts of root's power as setuid does, and `ls -l` does not show them."
    remedy = "remove the attribute (setcap -r FILE) in the layer that brings the file"
    severity = Severity.HIGH
    references = (cis("5.4"), pod_security("restricted: capabilities"), cwe("250"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        def stripped(entry: Entry) -> Entry:
            kept = tuple(item for item in entry.xattrs if item[0] != CAPABILITY)
            return entry if kept == entry.xattrs else entry.replace(xattrs=kept)

        return mend(image, stripped)

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for placed in survey(image).xattrs:
            if any(name == CAPABILITY for name, _ in placed.entry.xattrs):
                yield placed.finding("carries file capabilities")


class NoPrivilegeTools(NoPrograms):
    key = "no-privilege-tools"
    title = "No program is there to change user, root or namespace with"
    why = (
        "sudo, su, mount, nsenter and their kin are what an intruder needs to make a bug count; a service "
        "that starts as its own user never does."
    )
    remedy = "leave out the package that brings it (sudo, passwd, mount, util-linux, gosu, ...)"
    severity = Severity.HIGH
    references = (dockle("DKL-DI-0001"), hadolint("DL3004"), nist("4.1.2"), cidg("CCI-000381"))
    families = PRIVILEGE_TOOLS


STICKY_FOLDERS = frozenset({"tmp", "var/tmp", "dev/shm", "run/lock"})
"""Where everybody may write by the Filesystem Hierarchy Standard, each only to his own files."""


class NoWorldWritable(Control[NoParameters]):
    key = "no-world-writable"
    title = "Nothing is world-writable but the sticky scratch directories"
    why = "What anyone may write, an intruder may: code becomes his, and data becomes input he controls."
    remedy = "chmod o-w; scratch space belongs under `writable:` in image.yaml"
    foreign_remedy = "chmod o-w in the step that brings it; scratch space is a tmpfs or a volume"
    severity = Severity.HIGH
    references = (cis_linux("6.1.10"), cis_linux("1.1.21"), cwe("732"))

    def _may_stay(self, entry: Entry, image: Image, context: Context) -> bool:
        if entry.kind is not Kind.DIRECTORY or not entry.mode & 0o1000:
            return False
        declared = {item.path.strip("/") for item in context.plan.spec.writable} if context.plan else set()
        return entry.path in STICKY_FOLDERS | declared

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        def closed(entry: Entry) -> Entry:
            if not entry.mode & 0o002 or entry.kind not in (Kind.FILE, Kind.DIRECTORY):
                return entry
            if self._may_stay(entry, image, context):
                return entry
            if entry.path in STICKY_FOLDERS:
                return entry.replace(mode=entry.mode | 0o1000)
            return entry.replace(mode=entry.mode & ~0o1002)  # a sticky bit only says something with it

        return mend(image, closed)

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for placed in survey(image).writable:
            if placed.entry.mode & 0o002 and not self._may_stay(placed.entry, image, context):
                yield placed.finding(f"is world-writable (mode {placed.entry.mode:04o})")


class OwnersResolve(Control[NoParameters]):
    key = "owners-resolve"
    title = "Every owner and group of a file is an account of the image"
    why = "A file of an unknown id belongs to whoever gets that id next, in this image or one built on it."
    remedy = "chown it to root or to the image's own user, or declare the account"
    severity = Severity.LOW
    references = (cis_linux("6.1.11"), cis_linux("6.1.12"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        uids, gids = passwd.user_ids(image.rootfs) | {0}, passwd.group_ids(image.rootfs) | {0}

        def resolved(entry: Entry) -> Entry:
            if entry.uid in uids and entry.gid in gids:
                return entry
            uid = entry.uid if entry.uid in uids else 0
            return entry.replace(uid=uid, gid=entry.gid if entry.gid in gids else 0)

        return mend(image, resolved)

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        uids, gids = passwd.user_ids(image.rootfs) | {0}, passwd.group_ids(image.rootfs) | {0}
        for placed in survey(image).not_root:
            if placed.entry.uid not in uids:
                yield placed.finding(f"belongs to uid {placed.entry.uid}, which is not in /etc/passwd")
            if placed.entry.gid not in gids:
                yield placed.finding(f"belongs to gid {placed.entry.gid}, which is not in /etc/group")


class NoSpecialFiles(Control[NoParameters]):
    key = "no-special-files"
    title = "No device node or fifo is in a layer"
    why = "A device node reaches the host's hardware where the engine lets it; /dev itself is the engine's."
    remedy = "leave it out of the layer; the engine brings /dev, and --device what else is needed"
    severity = Severity.MEDIUM
    references = (cis("5.18"), cidg("CCI-000381"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        return mend(image, lambda entry: None if entry.kind in (Kind.DEVICE, Kind.FIFO) else entry)

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for placed in survey(image).special:
            yield placed.finding(f"is a {placed.entry.kind}")
