"""In fresh namespaces: an image's files as the root folder, a GPU's beside them, and a program started.

Run by `builder.gpu.room` as a script, with nothing but the standard library: under `unshare` it is root of
its own mount namespace, whatever it is outside. What to do stands on stdin, as JSON. The image's own files
stay as they are: what is written, and what something is mounted on, lies in memory above them.
"""

import ctypes
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

READ_ONLY, NO_SUID, NO_DEV, NO_EXEC, REMOUNT, BIND, RECURSIVE = 1, 2, 4, 8, 32, 4096, 16384
"""mount(2)"""
NO_NEW_PRIVILEGES, DROP_BOUND = 38, 24
"""prctl(2)"""
LAST_CAPABILITY = 63
FAILED = 125
"""Exit code of a program that could not be started: engines have the same."""
NODES = ("null", "zero", "full", "random", "urandom")
"""Of /dev, for every container (OCI runtime specification, config-linux.md)."""


@cache
def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, kind: str = "", flags: int = 0, data: str = "") -> None:
    words = [word.encode() or None for word in (source, str(target), kind)]
    if libc().mount(*words, ctypes.c_ulong(flags), data.encode() or None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"{kind or source} at {target}")


def layered(root: str, scratch: Path, *, own: bool) -> Path:
    """The image's files with room above them for what is mounted; on them, where they are our own copy and
    this machine has no overlay."""
    mount("tmpfs", scratch, "tmpfs", NO_SUID)
    upper, work, merged = (scratch / name for name in ("upper", "work", "merged"))
    for folder in (upper, work, merged):
        folder.mkdir()
    layers = {"lowerdir": root, "upperdir": upper, "workdir": work}
    data = ",".join(f"{name}={escaped(str(place))}" for name, place in layers.items())
    try:
        mount("overlay", merged, "overlay", NO_SUID, data)
    except OSError:
        if not own:
            raise
        mount(root, merged, flags=BIND)
    return merged


def escaped(path: str) -> str:
    """As overlayfs takes it: ',' ends an option, and ':' a folder."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def inside(root: Path, path: str) -> Path:
    """Where a path of the image lies, each link followed as a chroot would: never out of the root."""
    place, parts, hops = root, [*reversed(Path(path).parts[1:])], 0
    while parts:
        part = parts.pop()
        if part == "..":
            place = place.parent if place != root else root
            continue
        step = place / part
        if step.is_symlink() and hops < 40:
            hops += 1
            target = step.readlink()
            place = root if target.is_absolute() else place
            parts += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        else:
            place = step
    return place


def bind(source: str, target: Path, *, read_only: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if Path(source).is_dir():
        target.mkdir(exist_ok=True)
    elif not target.exists():
        target.touch()
    mount(source, target, flags=BIND | RECURSIVE)
    if read_only:
        mount("none", target, flags=BIND | REMOUNT | READ_ONLY | NO_SUID | NO_DEV)


def furnish(root: Path, plan: dict[str, Any]) -> None:
    """What every container has, then what is injected, then the image's own scratch folders."""
    system, dev = (inside(root, place) for place in ("/proc", "/dev"))
    for place in (system, dev):
        place.mkdir(exist_ok=True)
    proc(system)
    mount("tmpfs", dev, "tmpfs", NO_SUID | NO_EXEC, "mode=755")
    (dev / "shm").mkdir()
    mount("tmpfs", dev / "shm", "tmpfs", NO_SUID | NO_DEV, f"mode=1777,size={plan['shm']}")
    for name in NODES:
        bind(f"/dev/{name}", dev / name, read_only=False)
    for source, path in plan["nodes"]:
        bind(source, inside(root, path), read_only=False)
    for source, path in plan["mounts"]:
        bind(source, inside(root, path), read_only=True)
    for path in plan["scratch"]:
        place = inside(root, path)
        place.mkdir(parents=True, exist_ok=True)
        mount("tmpfs", place, "tmpfs", NO_SUID | NO_DEV, "mode=1777,size=64m")


def proc(place: Path) -> None:
    """A machine that is a container itself may allow none of its own: then its is shown."""
    try:
        mount("proc", place, "proc", NO_SUID | NO_DEV | NO_EXEC)
    except PermissionError:
        mount("/proc", place, flags=BIND | RECURSIVE)


def become(plan: dict[str, Any]) -> None:
    """The image's user, with no capability and none to be had. A user namespace has nobody but root."""
    for number in range(LAST_CAPABILITY + 1):
        libc().prctl(DROP_BOUND, number, 0, 0, 0)
    if plan["user"] is not None:
        uid, gid = plan["user"]
        os.setgroups(plan["groups"])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    libc().prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def main() -> None:
    plan = json.load(sys.stdin)
    root = layered(plan["root"], Path(plan["place"]), own=plan["own"])
    furnish(root, plan)
    mount("none", root, flags=REMOUNT | BIND | READ_ONLY | NO_SUID)
    os.chroot(root)
    os.chdir("/")
    become(plan)
    os.execvpe(plan["argv"][0], plan["argv"], plan["env"])  # noqa: S606 - that is what it is for


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.stderr.write(f"{error.strerror}: {error.filename or ''}\n")
        sys.exit(FAILED)
