"""The images of gigabytes: built, verified and used, one after the other; none stays in the engine.

`make test-slow` runs them. They need about 40 GB of disk, most of it for the store, and half an hour.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from builder.image.engine import Engine
from builder.image.running import Container, Mount
from builder.model.contract import RunContract
from builder.model.injection import Injection
from builder.verify.refused import started
from builder.workplace import host_platform
from tests.integration.images.desk import TEMPER, Built, Desk, failures, live_checks
from tests.integration.images.language_model import CLIENT, MODEL, PROMPTS, on_the_cpu, program

pytestmark = [
    pytest.mark.slow,
    pytest.mark.network,
    pytest.mark.docker,
    pytest.mark.skipif(host_platform() != "linux/amd64", reason="their wheels are for linux/amd64"),
]

IMAGES = ("onnx-inference-gpu", "torch", "torch-jit", "training", "vllm")
SOMEBODY = "1234567:0"
"""As OpenShift chooses it: a uid that the image has never heard of, in group 0."""
MEMORY = 300_000_000
"""Bytes at most, of Temper and of each program that it starts."""
LAYERS = 40
MEASURED = """
import pathlib, resource, subprocess, sys

code = subprocess.call(sys.argv[2:])
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
pathlib.Path(sys.argv[1]).write_text(str(peak))
sys.exit(code)
"""
"""A small process in between: to Linux a program has needed at least what the one has that started it, and
these tests hold the images that they have read."""

USED = {
    "onnx-inference-gpu": "import onnxruntime, numpy; print(onnxruntime.__version__)",
    "torch": "import torch; print(torch.ones(3, 3).matmul(torch.ones(3, 3)).sum().item())",
    "torch-jit": "import torch; print(torch.compile(lambda x: x.sin() + 1)(torch.zeros(3)).sum().item())",
    "training": "import torch.distributed as d; print(d.is_nccl_available())",
    "vllm": "import vllm; print(vllm.__version__)",
}
ANSWERS = {
    "onnx-inference-gpu": "1.31.1",
    "torch": "27.0",
    "torch-jit": "3.0",
    "training": "True",
    "vllm": "0.32.0",
}


@dataclass(frozen=True, kw_only=True)
class Big:
    """One of them, while it is in the engine."""

    name: str
    built: Built
    peak: int
    """Bytes of memory that the build needed at most."""
    layers: dict[str, str]
    """Name -> digest."""


LAYERS_OF: dict[str, dict[str, str]] = {}
"""Of the images that were built so far."""


@pytest.fixture(scope="module", params=IMAGES)
def big(request: pytest.FixtureRequest, engine: Engine, desk: Desk) -> Iterator[Big]:
    name = request.param
    folder = desk.folder / "build" / f"{name}-hardened-amd64"
    with (desk.folder / "said.txt").open("w") as said, (desk.folder / "printed.json").open("w") as printed:
        words = [sys.executable, "-c", MEASURED, desk.folder / "peak.txt", TEMPER, "build", name]
        words += ["--verify", "--json"]
        done = subprocess.run(words, cwd=desk.folder, stdout=printed, stderr=said, check=False)
    assert done.returncode == 0, (desk.folder / "said.txt").read_text() + broken(desk)
    peak = int((desk.folder / "peak.txt").read_text())
    report = json.loads((folder / "report.json").read_text())
    built = Built(folder=folder, printed=(desk.folder / "printed.json").read_text(), report=report)
    LAYERS_OF[name] = {layer.name: layer.digest for layer in built.image().layers}
    try:
        yield Big(name=name, built=built, peak=peak, layers=LAYERS_OF[name])
    finally:
        forget(report["tag"])


def broken(desk: Desk) -> str:
    text = (desk.folder / "printed.json").read_text()
    return json.dumps(failures(json.loads(text)), indent=2) if text else ""


def forget(tag: str) -> None:
    client = docker.from_env()
    try:
        client.api.remove_image(tag)
    except docker.errors.APIError:
        pass  # somebody else's container uses it
    finally:
        client.close()


def test_every_control_holds(big: Big) -> None:
    assert failures(big.built.report) == []
    assert len(big.built.report["controls"]) >= 70
    assert big.built.report["tag"] == f"temper/{big.name}:hardened"


def test_its_own_tests_passed(big: Big) -> None:
    suites = ("server_gpu", "torch", "training", "compiling", "vllm")
    own = [one for one in live_checks(big.built.report) if one["name"].partition(":")[0] in suites]
    assert len(own) >= 4
    assert {one["outcome"] for one in own} == {"passed"}


def test_the_build_needed_little_memory(big: Big) -> None:
    assert big.peak <= MEMORY


def test_it_has_few_layers(big: Big) -> None:
    assert len(big.layers) <= LAYERS


def test_the_report_says_what_was_pruned(big: Big) -> None:
    assert big.built.report["pruned"] > 1_000_000


def test_any_user_can_use_it(big: Big, engine: Engine, desk: Desk) -> None:
    """By the run contract: a read-only root, no capability; nothing is written but where that is declared.

    Without what this machine's engine may not give, as the live suites do it and tell it: `training` asks
    for memory that can be locked without limit.
    """
    contract = replace(desk.contract(big.name, user=SOMEBODY), entrypoint=())
    program = ["/usr/bin/python3", "-c", USED[big.name]]
    sleeping = ["/usr/bin/python3", "-c", "import time; time.sleep(600)"]
    start = partial(engine.start, program=sleeping, mounts=list(state(big, desk)))
    with started(start, contract) as running:
        container = running.container
        assert running.refused.keys() <= {"memlock"}
        done = container.exec(program)
        assert done.code == 0, done.stderr.decode()
        assert done.stdout.decode().split()[-1] == ANSWERS[big.name]
        assert changed(container.id) <= {item.path for item in (*contract.tmpfs, *contract.state)}


def state(big: Big, desk: Desk) -> Iterator[Mount]:
    """What a person would mount, and nothing where an empty volume does."""
    folder = desk.folder / "images" / big.name / "tests/state/models"
    if folder.is_dir():
        yield Mount(source=folder, target="/models")


def changed(container: str) -> set[str]:
    client = docker.from_env()
    try:
        rows: list[dict[str, Any]] = client.api.diff(container) or []
    finally:
        client.close()
    return {row["Path"] for row in rows if not row["Path"].startswith(("/dev", "/proc", "/sys", "/etc"))}


@pytest.mark.parametrize("big", ["vllm"], indirect=True)
def test_it_serves_a_language_model(
    big: Big, engine: Engine, desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """To a client of OpenAI's, by the image's own program and run contract, on the CPU: the same tokens as
    transformers finds. Only the kernels, and what they need, are not the image's own."""
    contract = desk.contract(big.name)
    rig, models = on_the_cpu(tmp_path_factory.mktemp("rig"), desk), tmp_path_factory.mktemp("models")
    expected = made(engine, contract, models)
    start = [*contract.entrypoint, *contract.cmd, "--dtype", "float32"]  # else it computes with half the bits
    weights = Mount(source=models, target="/models")
    with engine.start(contract, mounts=[weights], program=start, injection=rig) as container:
        wait_until_healthy(container)
        done = container.exec(program(CLIENT))
        assert done.code == 0, done.stderr.decode() + container.logs().decode()
        said = json.loads(done.stdout)
        assert said["models"] == ["model"]
        assert said["tokens"] == expected
        assert said["streamed"] == said["text"]
        assert said["pieces"] > 1
        assert "The model `another` does not exist" in said["refused"]
        assert said["compiled"] > 1
        assert written(container.id, rig) <= {item.path for item in (*contract.tmpfs, *contract.state)}
        container.stop(60)
        assert container.inspect()["State"]["ExitCode"] == 0


def made(engine: Engine, contract: RunContract, models: Path) -> dict[str, list[int]]:
    """Prompt -> the tokens that transformers adds, with the model that it leaves in `models`."""
    models.chmod(0o777)
    out = Mount(source=models, target="/made", read_only=False)
    sleeping = ["/usr/bin/python3", "-c", "import time; time.sleep(600)"]
    with engine.start(contract, mounts=[out], program=sleeping) as container:
        done = container.exec(program(MODEL))
    assert done.code == 0, done.stderr.decode()
    tokens: dict[str, list[int]] = json.loads(done.stdout)
    assert len({tuple(one) for one in tokens.values()}) == len(PROMPTS)
    return tokens


def wait_until_healthy(container: Container, seconds: int = 600) -> None:
    """It compiles the model first, which takes a minute or two."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done = container.exec(["/usr/bin/python3", "/app/health.py"])
        if done.code == 0:
            return
        time.sleep(1)
    pytest.fail(f"{done.stderr.decode()}: {container.logs().decode()}")


def written(container: str, injection: Injection) -> set[str]:
    """What it left on the image's files, less the places that were made for mounts and their folders."""
    places = [f"{mount.target}/" for mount in injection.mounts]
    return {path for path in changed(container) if not any(one.startswith(f"{path}/") for one in places)}


def test_the_same_wheel_is_the_same_layer(big: Big, desk: Desk) -> None:
    """In as many of the images as were built before this one, where they lock the same version."""
    wheels = versions(desk, big.name)
    for other, layers in LAYERS_OF.items():
        theirs = versions(desk, other)
        same = {f"python-{name}" for name, _ in wheels.items() & theirs.items()}
        for name in same & big.layers.keys() & layers.keys() - differing(big.name, other):
            assert big.layers[name] == layers[name], f"{name} of {big.name} and of {other}"


def differing(one: str, other: str) -> set[str]:
    """NVSHMEM's transports over RDMA stay only where its libraries are."""
    return {"python-nvidia-nvshmem-cu13"} if one != other and "training" in (one, other) else set()


def versions(desk: Desk, image: str) -> dict[str, str]:
    wheels = json.loads(desk.lock(image).read_text())["platforms"]["linux/amd64"]["wheels"]
    return {one["name"]: one["version"] for one in wheels}


def test_pytorch_is_one_layer_for_all(big: Big) -> None:
    found = {name: layers["python-torch"] for name, layers in LAYERS_OF.items() if "python-torch" in layers}
    assert len(set(found.values())) <= 1, found
