"""A container without an engine: an unpacked image in namespaces of this machine, by util-linux' `unshare`.

Has the part of an engine that the probe needs, so that the same rows come of it. Root runs the program as the
image's user. Others, and a root that may not mount, have a namespace of users to themselves.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from builder import process
from builder.errors import ToolError
from builder.gpu.enter import FAILED
from builder.gpu.probing import WITHIN
from builder.model.contract import RunContract, user_and_group
from builder.model.injection import NOTHING, Injection
from builder.model.trial import Mount

ENTER = Path(__file__).with_name("enter.py")
MOUNTS = ("--mount", "--propagation", "private")
APART = ("--pid", "--fork", "--ipc", "--uts", "--net")
ALONE = ("--user", "--map-root-user")
WAYS = (MOUNTS + APART, MOUNTS, ALONE + MOUNTS + APART, ALONE + MOUNTS)
"""Of cutting a program off, the best one first: machines that are containers themselves allow few."""
WATCHED = ("timeout", "--kill-after=5", str(WITHIN))
"""By coreutils: a driver that hangs would hold whoever waits for it."""
TOO_LONG = 124
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A program that ran to its end: the probe waits for nothing else."""

    code: int
    output: bytes

    def wait(self, _: int) -> int:
        return self.code

    def logs(self) -> bytes:
        return self.output

    def changes(self) -> None:
        """Nobody can tell: what was written is gone with its namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    root: Path
    """The image's files; they stay as they are, unless they are `own`."""
    own: bool = False
    """A copy of ours, which may be written where this machine has no overlay."""
    way: tuple[str, ...]

    @property
    def has_users(self) -> bool:
        """Whether the program runs as the image's own."""
        return "--user" not in self.way

    def info(self) -> dict[str, Any]:
        """There is no engine that could know anything."""
        return {}

    @contextmanager
    def start(
        self,
        contract: RunContract,
        *,
        mounts: Sequence[Mount] = (),
        program: Sequence[str] = (),
        injection: Injection = NOTHING,
    ) -> Iterator[Ended]:
        """Raises `ToolError` where something can't be mounted, or the program isn't there."""
        with TemporaryDirectory(prefix="temper-room-") as place:
            told = json.dumps(self._plan(contract, mounts, program, injection, place)).encode()
            done = process.run(
                [*WATCHED, "unshare", *self.way, sys.executable, "-I", ENTER],
                env={"PATH": os.environ.get("PATH", os.defpath)},
                stdin=told,
                check=False,
            )
        if done.returncode == TOO_LONG:
            raise ToolError(
                f"{self.root}: '{program[0]}' did not end within {WITHIN} s; see the kernel's log"
            )
        if done.returncode == FAILED:
            raise ToolError(f"{self.root}: can't be entered: {_last(done.stderr)}; {CURE}")
        yield Ended(code=done.returncode, output=done.stdout + done.stderr)

    def _plan(
        self,
        contract: RunContract,
        mounts: Sequence[Mount],
        program: Sequence[str],
        injection: Injection,
        place: str,
    ) -> dict[str, Any]:
        bound = [(str(mount.source.absolute()), mount.target) for mount in (*mounts, *injection.mounts)]
        return {
            "root": str(self.root.absolute()),
            "own": self.own,
            "place": place,
            "shm": contract.shm,
            "nodes": [(node.host, node.path) for node in injection.nodes],
            "mounts": bound,
            "scratch": [item.path for item in contract.tmpfs],
            "user": user_and_group(contract) if self.has_users else None,
            "groups": [*contract.groups, *injection.groups],
            "env": {"PATH": PATH, **dict(contract.env), **dict(injection.env)},
            "argv": list(program),
        }


def _last(stderr: bytes) -> str:
    return stderr.decode(errors="replace").strip().rpartition("\n")[2] or "it said nothing"


CURE = "run it as root, or name an OCI layout instead of a tree that belongs to somebody else"


def room_for(root: Path, *, own: bool = False) -> Room:
    """Raises `ToolError` where this machine allows no namespaces of mounts at all."""
    said = ""
    for way in WAYS:
        if "--user" in way or os.geteuid() == 0:
            done = process.run(["unshare", *way, "true"], check=False)
            if done.returncode == 0:
                return Room(root=root, own=own, way=way)
            said = said or _last(done.stderr)
    raise ToolError(f"{root}: can't be entered: {said}; run it as root, on a machine that allows namespaces")
