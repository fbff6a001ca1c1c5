"""render: the definition of an image, a complete build context but for the layers. Pure."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

from builder.model.contract import RunContract, user_and_group
from builder.model.definition import Definition, RenderedFile
from builder.model.image import Image
from builder.model.plan import Plan
from builder.model.scheduling import SAFE
from builder.render.dockerfile import check_template
from builder.render.environment import OWN, make_environment, render_template
from builder.render.mounts import scratch_mounts, state_mounts
from builder.render.notes import (
    brought_to_kubernetes,
    group_notes,
    podman_words,
    secrets_of_podman,
    unsaid_in_compose,
    unsaid_in_kubernetes,
)

DOCKERFILE = "Dockerfile.j2"
RUN_FILES = ("docker-run.sh", "compose.yaml", "pod.yaml", "kubernetes.yaml", "quadlet.container")
"""How people start the image: the templates of `run/`."""


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
        "compose_notes": [*group_notes(contract), *unsaid_in_compose(contract)],
        "quadlet_notes": [*group_notes(contract), *secrets_of_podman(contract, states)],
        "unsaid": [*unsaid_in_kubernetes(contract), *brought_to_kubernetes(contract, states)],
        "pod_sysctls": [item for item in contract.sysctls if item[0] in SAFE],
        "placement": podman_words(contract),
        "compose_environment": list(compose_environment(contract)),
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


def compose_environment(contract: RunContract) -> Iterator[str]:
    """Compose takes a variable that is named alone and not set out of the image's environment, too."""
    own = dict(contract.env)
    yield from (f"{name}={value}" for name, value in contract.given)
    for name in contract.pass_env:
        plain = name in own and not set("${}") & set(own[name])  # a default that Compose can write
        if plain or name not in own:
            yield f"{name}=${{{name}-{own[name]}}}" if plain else name


def _render(name: str, **values: Any) -> str:
    return render_template(_ours(), name, **values)


@cache
def _ours() -> ImmutableSandboxedEnvironment:
    """Once: what two of our templates include is compiled once, too."""
    return make_environment()
