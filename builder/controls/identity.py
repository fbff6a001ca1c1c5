"""Whom the image runs as."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field

from builder.controls import passwd
from builder.controls.edit import directory
from builder.controls.frame import Context, Control, NoParameters, NotAssessed
from builder.controls.passwd import GROUP, PASSWD, SHADOW, Line
from builder.controls.references import cidg, cis, cis_linux, dockle, hadolint, nist, pod_security, srg
from builder.controls.survey import Placed
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.plan import USER_ID, USER_NAME
from builder.model.report import Finding, Severity
from builder.model.tree import Kind

UserId = Annotated[int, Field(ge=1, lt=2**32 - 1)]
GroupId = Annotated[int, Field(ge=0, lt=2**32 - 1)]
"""0 where a platform wants it so (OpenShift); `no-root-group` says what that opens."""


class UserParameters(Strict):
    uid: UserId = Field(default=USER_ID, description="user id that the image runs as")
    gid: GroupId = Field(default=USER_ID, description="group id that the image runs as")


class NonrootUser(Control[UserParameters]):
    key = "nonroot-user"
    title = "The image runs as a user other than root"
    why = (
        "A process that runs as uid 0 in a container is uid 0 to the kernel: one bug in the runtime or one "
        "careless mount away from the host."
    )
    remedy = "set USER to a uid other than 0 that /etc/passwd of the image knows"
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
