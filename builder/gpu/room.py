"""A container without an engine: an unpacked image in namespaces of this machine, by util-linux' `unshare`.

Has the part of an engine that the probe needs, so that the same rows come of it. As root the program runs as
the image's user; anybody else has no other user to give it, and runs it as himself.
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
from builder.model.contract import RunContract, user_and_group
from builder.model.injection import NOTHING, Injection
from builder.model.trial import Mount

ENTER = Path(__file__).with_name("enter.py")
CUT_OFF = ("--mount", "--propagation", "private", "--pid", "--fork", "--ipc", "--uts", "--net")
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
    """The image's files; they stay as they are."""

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
        """Raises `ToolError` where this machine allows no namespaces, or the program isn't there."""
        root = os.geteuid() == 0
        with TemporaryDirectory(prefix="temper-room-") as place:
            told = json.dumps(self._plan(contract, mounts, program, injection, place)).encode()
            user = () if root else ("--user", "--map-root-user")
            done = process.run(
                ["unshare", *user, *CUT_OFF, sys.executable, "-I", ENTER],
                env={"PATH": os.environ.get("PATH", os.defpath)},
                stdin=told,
                check=False,
            )
        if done.returncode != 0 and not done.stdout:
            raise ToolError(f"{self.root}: can't be entered: {_last(done.stderr)}; {_cure(root)}")
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
            "place": place,
            "shm": contract.shm,
            "nodes": [(node.host, node.path) for node in injection.nodes],
            "mounts": bound,
            "scratch": [item.path for item in contract.tmpfs],
            "user": user_and_group(contract) if os.geteuid() == 0 else None,
            "groups": [*contract.groups, *injection.groups],
            "env": {"PATH": PATH, **dict(contract.env), **dict(injection.env)},
            "argv": list(program),
        }


def _last(stderr: bytes) -> str:
    return stderr.decode(errors="replace").strip().rpartition("\n")[2] or "it said nothing"


def _cure(root: bool) -> str:
    if root:
        return (
            "namespaces and overlayfs are needed; see that this machine is no container without CAP_SYS_ADMIN"
        )
    return "run it as root, or name an OCI layout instead of a tree that belongs to somebody else"
