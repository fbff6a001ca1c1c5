"""The vendor's own hooks at work, by runc: how an engine that knows CDI would start the image.

An OCI runtime takes the edits as they are, hooks too, which no engine without CDI does. Source: OCI runtime
specification 1.0.2, config.md and config-linux.md.
"""

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from builder import process, sandbox
from builder.errors import TemperError
from builder.gpu.findings import wiring
from builder.gpu.probing import PROBE, Probing
from builder.gpu.rows import REHEARSAL, row, unrun
from builder.gpu.seen import read
from builder.gpu.stage import GPUS, Stage, expected
from builder.gpu.stub import HOOK
from builder.image.openable import openable
from builder.model.cdi import CdiMount, DeviceNode, Edits
from builder.model.contract import user_and_group
from builder.model.image import Image
from builder.model.report import CheckResult
from builder.packages.store import Store

HOOKS = "the runtime's own hooks wire it"
SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")
SYSTEM_MOUNTS = (
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
    {
        "destination": "/dev/shm",  # noqa: S108 - in the container
        "type": "tmpfs",
        "source": "shm",
        "options": ["nosuid", "nodev", "mode=1777"],
    },
)


def hooks_row(stage: Stage, image: Image | None, store: Store) -> CheckResult:
    if image is None:
        return unrun(REHEARSAL, HOOKS, "a folder has no layers that a bundle could be made of")
    missing = [name for name in ("runc", HOOK) if shutil.which(name) is None]
    if missing:
        return unrun(
            REHEARSAL,
            HOOKS,
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not on this machine",
        )
    if os.geteuid() != 0:
        return unrun(REHEARSAL, HOOKS, "starting a container without an engine takes root")
    try:
        with openable(image, store) as whole, sandbox.unpacked(whole.rootfs.values()) as root:
            said = _run(root, stage, stage.edits("all"))
            return row(REHEARSAL, HOOKS, wiring(read(said), expected(*range(GPUS))))
    except TemperError as error:
        return row(REHEARSAL, HOOKS, [f"it can't be started: {error}"])


def _run(root: Path, stage: Stage, edits: Edits) -> str:
    bundle = stage.scratch / "bundle"
    bundle.mkdir()
    config = json.dumps(runtime_config(root, stage.probing, edits), indent=2)
    (bundle / "config.json").write_text(config, encoding="utf-8")
    name = f"temper-{secrets.token_hex(6)}"
    state = stage.scratch / "runc"
    done = process.run(["runc", "--root", state, "run", "--bundle", bundle, name])
    return done.stdout.decode(errors="replace")


def runtime_config(root: Path, probing: Probing, edits: Edits) -> dict[str, Any]:
    """The run contract and the edits as an OCI runtime takes them."""
    uid, gid = user_and_group(probing.contract)
    devices = [_device(node) for node in edits.device_nodes]
    allowed = [
        {
            "allow": True,
            "type": "c",
            "major": one["major"],
            "minor": one["minor"],
            "access": node.permissions or "rwm",
        }
        for one, node in zip(devices, edits.device_nodes, strict=True)
    ]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {
                "uid": uid,
                "gid": gid,
                "additionalGids": [*probing.contract.groups, *edits.additional_gids],
            },
            "args": [PROBE, *probing.arguments()],
            "env": [*(f"{name}={value}" for name, value in probing.contract.env), *edits.env],
            "cwd": "/",
            "noNewPrivileges": True,
            "capabilities": {name: [] for name in SETS},
        },
        "root": {"path": str(root), "readonly": True},
        "mounts": [*SYSTEM_MOUNTS, _bind(str(probing.native.probe), PROBE), *map(_mount, edits.mounts)],
        "hooks": _hooks(edits),
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")],
            "devices": devices,
            "resources": {"devices": [{"allow": False, "access": "rwm"}, *allowed]},
        },
    }


def _device(node: DeviceNode) -> dict[str, Any]:
    facts = Path(node.host_path or node.path).stat()
    return {
        "path": node.path,
        "type": node.type or "c",
        "major": node.major if node.major is not None else os.major(facts.st_rdev),
        "minor": node.minor if node.minor is not None else os.minor(facts.st_rdev),
        "fileMode": node.file_mode if node.file_mode is not None else facts.st_mode & 0o777,
        "uid": node.uid if node.uid is not None else facts.st_uid,
        "gid": node.gid if node.gid is not None else facts.st_gid,
    }


def _mount(mount: CdiMount) -> dict[str, Any]:
    return {**_bind(mount.host_path, mount.container_path), "options": list(mount.options) or ["ro", "rbind"]}


def _bind(source: str, target: str) -> dict[str, Any]:
    return {
        "destination": target,
        "source": source,
        "type": "bind",
        "options": ["ro", "rbind", "nosuid", "nodev"],
    }


def _hooks(edits: Edits) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for hook in edits.hooks:
        told = {"path": hook.path, "args": list(hook.args), "env": list(hook.env)}
        found.setdefault(hook.hook_name, []).append(told)
    return found
