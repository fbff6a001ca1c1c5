"""What a contract mounts, with the names that the run files give it."""

import re
from dataclasses import dataclass

from builder.model.contract import RunContract, podman_tmpfs_options, tmpfs_options
from builder.render.contract import dns_label


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchMount:
    path: str
    size: str
    options: str
    podman_options: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMount:
    path: str
    read_only: bool
    label: str
    """A DNS label: `models`."""
    variable: str
    """Of the environment, that names the folder: `MODELS_FOLDER`."""
    secret: tuple[str, ...] = ()
    """The files in it, where they are secrets."""


def scratch_mounts(contract: RunContract) -> list[ScratchMount]:
    return [
        ScratchMount(
            path=scratch.path,
            size=scratch.size,
            options=tmpfs_options(contract, scratch),
            podman_options=podman_tmpfs_options(scratch),
        )
        for scratch in contract.tmpfs
    ]


def state_mounts(contract: RunContract) -> list[StateMount]:
    """Each with a name of its own, also where two paths differ only in what a name can't hold."""
    mounts: list[StateMount] = []
    taken: set[str] = set()
    for state in contract.state:
        label = dns_label(state.path)
        while label in taken:
            label += "-x"
        taken.add(label)
        mounts.append(
            StateMount(
                path=state.path,
                read_only=state.mode == "ro",
                label=label,
                variable=variable_name(label),
                secret=state.secret,
            )
        )
    return mounts


def variable_name(label: str) -> str:
    """`models` -> `MODELS_FOLDER`; a shell's names start with no digit."""
    return re.sub(r"^(?=[0-9])", "_", label.replace("-", "_").upper()) + "_FOLDER"
