"""Device nodes that not everybody may open: by their group, and by the device cgroup. mknod takes root."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from builder.gpu.findings import Expected, node_findings
from builder.gpu.rows import REHEARSAL, row, unrun
from builder.gpu.seen import Seen
from builder.gpu.stage import GPUS, Stage, expected
from builder.gpu.stub import Nodes
from builder.model.contract import RunContract
from builder.model.report import CheckResult

GROUP = "a node opens for its group, and for nobody else (EACCES)"
CGROUP = "closed by the device cgroup (EPERM) is not without hardware (ENXIO)"
NULL = (1, 3)
NVIDIA = 195
NAMES = ("gpu0", "gpu1", "ctl", "uvm")
DYNAMIC = range(511, 383, -1)
"""Majors that a kernel gives out, from the top (linux/fs.h)."""
NEEDS_ROOT = "making device nodes takes root"
NO_NODES = "this machine lets nobody make device nodes"
DEVICES = Path("/proc/devices")
FIRST_GROUP = 44000


def permission_rows(stage: Stage) -> Iterator[CheckResult]:
    def look(made: Mapping[str, str], groups: tuple[int, ...]) -> Seen:
        return stage.look(stage.edits("all", nodes=_nodes(made)), groups=groups).seen

    yield group_row(stage.probing.contract, NAMES, stage.scratch / "group", look, expected(*range(GPUS)))
    yield _cgroup(stage)


def group_row(
    contract: RunContract,
    names: Iterable[str],
    folder: Path,
    look: Callable[[Mapping[str, str], tuple[int, ...]], Seen],
    meant: Expected,
) -> CheckResult:
    """Nodes for a group of their own: closed to the image's user, and open to him in that group."""
    if os.geteuid() != 0:
        return unrun(REHEARSAL, GROUP, NEEDS_ROOT)
    gid = _free_group(contract)
    try:
        made = _made(folder, dict.fromkeys(names, NULL), 0o660, gid)
    except PermissionError:
        return unrun(REHEARSAL, GROUP, NO_NODES)
    shut = look(made, ())
    if shut.uid == 0:
        return unrun(REHEARSAL, GROUP, "the program runs as root, which owns the nodes")
    closed = node_findings(shut, meant)
    wrong = [f"with its group: {one}" for one in node_findings(look(made, (gid,)), meant)]
    if {one.name for one in closed} != {"no-permission"}:
        wrong.append("without its group it opens all the same; see why the image's user may")
    return row(REHEARSAL, GROUP, wrong, f"group {gid}")


def _cgroup(stage: Stage) -> CheckResult:
    reason = _no_cgroup(stage)
    if reason:
        return unrun(REHEARSAL, CGROUP, reason)
    wrong = []
    for permissions, wanted in (("r", "EPERM"), ("rw", "ENXIO")):
        try:
            made = _made(stage.scratch / f"cgroup-{permissions}", drivers_own(), 0o666, 0)
        except PermissionError:
            return unrun(REHEARSAL, CGROUP, NO_NODES)
        seen = stage.look(stage.edits("all", nodes=_nodes(made, permissions))).seen
        told = sorted({*seen.nodes.values()})
        if told != [wanted]:
            wrong.append(
                f"with {permissions} opening it ends with {', '.join(told)}; see the engine's cgroups"
            )
    return row(REHEARSAL, CGROUP, wrong)


def _no_cgroup(stage: Stage) -> str:
    if not stage.info():
        return "there is no engine whose device cgroup could close it"
    if os.geteuid() != 0:
        return NEEDS_ROOT
    there = str(NVIDIA) in _majors()
    return "this machine has NVIDIA's kernel module: its nodes have hardware" if there else ""


def _majors() -> list[str]:
    """That a driver of this kernel answers for."""
    return DEVICES.read_text(encoding="ascii", errors="replace").split()


def drivers_own() -> dict[str, tuple[int, int]]:
    """Majors and minors of NVIDIA's nodes. UVM's major is dynamic: here one that nobody answers for."""
    taken = _majors()
    uvm = next(major for major in DYNAMIC if str(major) not in taken)
    return {"gpu0": (NVIDIA, 0), "gpu1": (NVIDIA, 1), "ctl": (NVIDIA, 255), "uvm": (uvm, 0)}


def _free_group(contract: RunContract) -> int:
    """One that the image's user is not in."""
    taken = {*contract.groups, int(contract.user.partition(":")[2] or 0)}
    return next(gid for gid in range(FIRST_GROUP, FIRST_GROUP + 1000) if gid not in taken)


def _made(folder: Path, devices: Mapping[str, tuple[int, int]], mode: int, gid: int) -> dict[str, str]:
    """Raises `PermissionError` where even root may not."""
    folder.mkdir()
    for name, device in devices.items():
        path = folder / name
        os.mknod(path, stat.S_IFCHR | mode, os.makedev(*device))
        path.chmod(mode)
        os.chown(path, 0, gid)
    return {name: str(folder / name) for name in devices}


def _nodes(made: Mapping[str, str], permissions: str = "rw") -> Nodes:
    return Nodes(
        gpus=(made["gpu0"], made["gpu1"]), control=made["ctl"], uvm=made["uvm"], permissions=permissions
    )
