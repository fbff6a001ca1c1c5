"""What was asked for by --gpu and --cdi, before anything is started."""

from pathlib import Path

from builder.config.cdi import sound
from builder.config.problems import shown
from builder.errors import InputError
from builder.gpu.host import ALL, REHEARSAL, WANTED, chosen, host_gpus
from builder.model.plan import Plan


def check(gpu: str, cdi: Path | None) -> None:
    """Raises `InputError` for what is no name of GPUs, or a specification that is not sound."""
    if gpu and not WANTED.fullmatch(gpu):
        raise InputError(
            f"--gpu: '{gpu}' names no GPU; write {REHEARSAL}, {ALL}, an index such as 0, or a UUID"
        )
    if cdi is None:
        return
    if gpu in ("", REHEARSAL):
        with_what = "a rehearsal brings its own specification" if gpu else "it says how --gpu is injected"
        raise InputError(f"--cdi: {with_what}; write --gpu {ALL} beside it")
    sound(cdi)


def check_image(plan: Plan, gpu: str) -> None:
    """Raises `InputError` where the image can't be looked at so, `ToolError` where there is no GPU."""
    place = shown(plan.folder / "image.yaml")
    if not gpu:
        return
    if plan.spec.gpu is None:
        raise InputError(f"{place}: gpu: is not there, and --gpu asks for it; declare it, or leave --gpu out")
    if gpu != REHEARSAL and plan.spec.gpu.vendor != "nvidia":
        raise InputError(
            f"--gpu {gpu}: only NVIDIA's GPUs can be looked at, and {place} says '{plan.spec.gpu.vendor}'; "
            f"write --gpu {REHEARSAL} for its nodes and groups"
        )
    if gpu != REHEARSAL:
        chosen(host_gpus(), gpu)
