"""make_contract: how a planned image must be started. Pure."""

import re
from typing import Any

from builder.model import gpu
from builder.model.contract import RunContract
from builder.model.plan import Plan
from builder.model.profile import DEFAULTS, RunSettings


def make_contract(plan: Plan, tag: str, user: str) -> RunContract:
    """`tag` is what to run, `user` the config's `uid:gid` once the controls have set it."""
    spec = plan.spec
    return RunContract(
        image=tag,
        name=dns_label(plan.image),
        user=user or "0:0",
        any_user=plan.control("arbitrary-user") is not None,
        workdir=spec.workdir,
        env=tuple(sorted(gpu.variables(spec).items())),
        entrypoint=spec.entrypoint,
        cmd=spec.cmd,
        ports=tuple(sorted(spec.ports)),
        tmpfs=spec.writable,
        state=spec.state,
        gpu=gpu.access(spec),
        seccomp=plan.seccomp,
        stop_signal=spec.stop_signal,
        **settled(plan.run),
    )


def settled(run: RunSettings) -> dict[str, Any]:
    """Every setting by the contract's name for it, which is the same."""
    said = {**dict(DEFAULTS), **{name: value for name, value in run if value is not None}}
    return {**said, **{name: tuple(sorted(said[name].items())) for name in ("sysctls", "ulimits")}}


def dns_label(name: str) -> str:
    """RFC 1123: letters, digits and hyphens, at most 63, none at an end."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:63].strip("-") or "image"
