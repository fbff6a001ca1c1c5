"""make_contract: how a planned image must be started. Pure."""

import re

from builder.errors import InputError
from builder.model.contract import RunContract
from builder.model.plan import Plan
from builder.model.profile import RunSettings
from builder.model.spec import Writable

DEFAULTS = RunSettings(memory="512m", pids=128, cpus=1.0, shm="64m")
SHARED = frozenset({"/tmp", "/var/tmp"})  # noqa: S108 - names of mount points, nothing is written there
"""Scratch space that any uid may use, as programs expect of it; the rest belongs to the image's user."""


def make_contract(plan: Plan, tag: str, user: str) -> RunContract:
    """`tag` is what to run, `user` the config's `uid:gid` once the controls have set it."""
    spec, run = plan.spec, plan.run
    return RunContract(
        image=tag,
        name=dns_label(plan.image),
        user=user or "0:0",
        workdir=spec.workdir,
        env=tuple(sorted(spec.env.items())),
        entrypoint=spec.entrypoint,
        cmd=spec.cmd,
        ports=tuple(sorted(spec.ports)),
        tmpfs=spec.writable,
        state=spec.state,
        memory=run.memory or DEFAULTS.memory or "",
        pids=run.pids or DEFAULTS.pids or 0,
        cpus=run.cpus or DEFAULTS.cpus or 0.0,
        shm=run.shm or DEFAULTS.shm or "",
        stop_signal=spec.stop_signal,
    )


def dns_label(name: str) -> str:
    """RFC 1123: letters, digits and hyphens, at most 63, none at an end."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:63].strip("-") or "image"


def tmpfs_options(contract: RunContract, scratch: Writable) -> str:
    """What Docker and Compose take after `PATH:`: neither setuid programs nor devices."""
    uid, gid = user_and_group(contract)
    mode = "1777" if scratch.path in SHARED else "0700"
    run = "exec" if scratch.exec else "noexec"
    return f"rw,nosuid,nodev,{run},size={scratch.size},uid={uid},gid={gid},mode={mode}"


def user_and_group(contract: RunContract) -> tuple[int, int]:
    """Raises `InputError` for a user by name: the numbers are needed for what is mounted."""
    uid, _, gid = contract.user.partition(":")
    if not uid.isdecimal() or not (gid or uid).isdecimal():
        raise InputError(f"user '{contract.user}': is not in digits; write it as uid:gid")
    return int(uid), int(gid or uid)
