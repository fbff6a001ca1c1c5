"""render: the definition of an image, a complete build context but for the layers. Pure."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

from builder.model.contract import RunContract, podman_tmpfs_options, tmpfs_options, user_and_group
from builder.model.definition import Definition, RenderedFile
from builder.model.image import Image
from builder.model.plan import Plan
from builder.render.contract import dns_label
from builder.render.dockerfile import check_template
from builder.render.environment import OWN, make_environment, render_template

DOCKERFILE = "Dockerfile.j2"
RUN_FILES = ("docker-run.sh", "compose.yaml", "pod.yaml", "kubernetes.yaml", "quadlet.container")
"""How people start the image: the templates of `run/`."""


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


def render(plan: Plan, image: Image, layers: tuple[str, ...], contract: RunContract) -> Definition:
    """`layers` are the files of the context, lowest first: `layers/01-system.tar.gz`.

    Raises `InputError` where the image's own Dockerfile.j2 is wrong, or says something else than the image.
    """
    return Definition(
        files=(
            RenderedFile(path="Dockerfile", text=_dockerfile(plan, image, layers)),
            RenderedFile(path=".dockerignore", text=_render("dockerignore.j2")),
            *run_files(image, contract),
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


def run_files(image: Image, contract: RunContract) -> Iterator[RenderedFile]:
    """The contract in the words of each engine, and the seccomp profile that they name."""
    uid, gid = user_and_group(contract)
    states = state_mounts(contract)
    values = {
        "contract": contract,
        "uid": uid,
        "gid": gid,
        "check": image.config.healthcheck,
        "scratches": scratch_mounts(contract),
        "states": states,
        "kept": any(not state.read_only for state in states),
        "devices": (*contract.devices, *(contract.gpu.devices if contract.gpu else ())),
        "notes": group_notes(contract),
        "unsaid": unsaid_in_kubernetes(contract),
        "seccomp_file": f"{contract.name}.seccomp.json",
    }
    for template in RUN_FILES:
        # systemd names the service after its file
        name = f"{contract.name}.container" if template == "quadlet.container" else template
        text = _render(f"run/{template}.j2", **values)
        yield RenderedFile(path=f"run/{name}", text=text, executable=name.endswith(".sh"))
    if contract.seccomp:
        text = json.dumps(json.loads(contract.seccomp), indent=2, sort_keys=True) + "\n"
        yield RenderedFile(path=f"run/{contract.name}.seccomp.json", text=text)


def unsaid_in_kubernetes(contract: RunContract) -> list[str]:
    """What of the contract a pod can't say, and who can."""
    told = [
        f"Not in a pod's words: {contract.pids} pids (the kubelet's podPidsLimit), ulimits, noexec mounts."
    ]
    rdma = contract.gpu.rdma if contract.gpu is not None else ()
    if contract.devices or rdma:
        devices = ", ".join(device.path for device in (*contract.devices, *rdma))
        told.append(f"Nor devices ({devices}): ask for the resource of your cluster's device plugin.")
    if contract.seccomp:
        told.append(
            "Put the seccomp profile on each node, below the kubelet's seccomp folder, as it is named here."
        )
    return [*told, *group_notes(contract)]


def group_notes(contract: RunContract) -> list[str]:
    """The host's number of a group can't be known here, and a name would be looked up in the image."""
    nodes = contract.gpu.nodes if contract.gpu is not None else ()
    if not nodes or contract.groups:
        return []
    names = " and ".join(device.path for device in nodes)
    return [
        f"The user needs the group that owns {names} on the host: its number by 'run: groups' in the profile."
    ]


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
            )
        )
    return mounts


def variable_name(label: str) -> str:
    """`models` -> `MODELS_FOLDER`; a shell's names start with no digit."""
    return re.sub(r"^(?=[0-9])", "_", label.replace("-", "_").upper()) + "_FOLDER"


def _render(name: str, **values: Any) -> str:
    return render_template(_ours(), name, **values)


@cache
def _ours() -> ImmutableSandboxedEnvironment:
    """Once: what two of our templates include is compiled once, too."""
    return make_environment()
