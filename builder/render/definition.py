"""render: the definition of an image, a complete build context but for the layers. Pure."""

import re
from dataclasses import dataclass
from typing import Any

from builder.model.contract import RunContract, tmpfs_options, user_and_group
from builder.model.definition import Definition, RenderedFile
from builder.model.image import Image
from builder.model.plan import Plan
from builder.render.contract import dns_label
from builder.render.dockerfile import check_template
from builder.render.environment import OWN, make_environment, render_template

DOCKERFILE = "Dockerfile.j2"
RUN_FILES = {"run/docker-run.sh": True, "run/compose.yaml": False, "run/pod.yaml": False}
"""How people start the image, and whether the file is a program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScratchMount:
    path: str
    size: str
    options: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMount:
    path: str
    read_only: bool
    label: str
    """A DNS label: `models`."""
    variable: str
    """Of the environment, that names the folder: `MODELS_FOLDER`."""


def render(plan: Plan, image: Image, layers: tuple[str, ...], contract: RunContract) -> Definition:
    """`layers` are the files of the context, lowest first: `layers/01-system.tar.gz`.

    Raises `InputError` where the image's own Dockerfile.j2 is wrong, or says something else than the image.
    """
    return Definition(
        files=(
            RenderedFile(path="Dockerfile", text=_dockerfile(plan, image, layers)),
            RenderedFile(path=".dockerignore", text=_render("dockerignore.j2")),
            *_run_files(image, contract),
        )
    )


def _dockerfile(plan: Plan, image: Image, layers: tuple[str, ...]) -> str:
    values = {"image": plan.image, "profile": plan.profile, "config": image.config, "layers": layers}
    ours = _render(DOCKERFILE, **values)
    own = plan.folder / DOCKERFILE
    if not own.is_file():
        return ours
    theirs = render_template(make_environment(plan.folder), f"{OWN}/{DOCKERFILE}", **values)
    check_template(own, theirs, ours)
    return theirs


def _run_files(image: Image, contract: RunContract) -> list[RenderedFile]:
    uid, gid = user_and_group(contract)
    values = {
        "contract": contract,
        "uid": uid,
        "gid": gid,
        "check": image.config.healthcheck,
        "scratches": scratch_mounts(contract),
        "states": state_mounts(contract),
    }
    return [
        RenderedFile(path=path, text=_render(f"{path}.j2", **values), executable=executable)
        for path, executable in RUN_FILES.items()
    ]


def scratch_mounts(contract: RunContract) -> list[ScratchMount]:
    return [
        ScratchMount(path=scratch.path, size=scratch.size, options=tmpfs_options(contract, scratch))
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
            )
        )
    return mounts


def variable_name(label: str) -> str:
    """`models` -> `MODELS_FOLDER`; a shell's names start with no digit."""
    return re.sub(r"^(?=[0-9])", "_", label.replace("-", "_").upper()) + "_FOLDER"


def _render(name: str, **values: Any) -> str:
    return render_template(make_environment(), name, **values)
