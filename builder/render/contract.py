"""make_contract: how a planned image must be started. Pure."""

import re

from builder.model.contract import RunContract
from builder.model.plan import Plan
from builder.model.profile import RunSettings

DEFAULTS = RunSettings(memory="512m", pids=128, cpus=1.0, shm="64m")


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
