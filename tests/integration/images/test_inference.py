"""A model made here, served by the container under its run contract: the same numbers as computed outside."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from builder.errors import EngineError
from builder.image.engine import Engine
from builder.image.running import Container, Mount
from tests.integration.images.desk import Build, Built, Desk

pytestmark = [pytest.mark.network, pytest.mark.docker]

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(20_261_122)
HIDDEN, OUT = RANDOM.standard_normal((4, 16)), RANDOM.standard_normal((16, 3))
TABLE = RANDOM.integers(-(2**60), 2**60, (10, 2))


def save_classifier(path: Path) -> None:
    """softmax(relu(x A) B) over rows of four numbers, with the most likely class."""
    weights = [
        numpy_helper.from_array(HIDDEN.astype(np.float32), "a"),
        numpy_helper.from_array(OUT.astype(np.float32), "b"),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["xa"]),
        helper.make_node("Relu", ["xa"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "b"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["likely"], axis=1),
        helper.make_node("ArgMax", ["likely"], ["class"], axis=1, keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])]
    outputs = [
        helper.make_tensor_value_info("likely", TensorProto.FLOAT, ["n", 3]),
        helper.make_tensor_value_info("class", TensorProto.INT64, ["n"]),
    ]
    save(path, helper.make_graph(nodes, "classifier", inputs, outputs, weights))


def classify(rows: Array) -> tuple[Array, Array]:
    """The same by numpy."""
    scores = np.maximum(rows @ HIDDEN.astype(np.float32), 0) @ OUT.astype(np.float32)
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    likely = raised / raised.sum(axis=1, keepdims=True)
    return likely, likely.argmax(axis=1)


def save_lookup(path: Path) -> None:
    """Rows of a table of 64-bit integers: no floating point may touch them."""
    nodes = [helper.make_node("Gather", ["table", "row"], ["found"], axis=0)]
    inputs = [helper.make_tensor_value_info("row", TensorProto.INT64, ["n"])]
    outputs = [helper.make_tensor_value_info("found", TensorProto.INT64, ["n", 2])]
    save(path, helper.make_graph(nodes, "lookup", inputs, outputs, [numpy_helper.from_array(TABLE, "table")]))


def save(path: Path, graph: onnx.GraphProto) -> None:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_classifier(folder / "classifier.onnx")
    save_lookup(folder / "lookup/3/model.onnx")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)  # the image's user must read it, whatever the umask
    return folder


@pytest.fixture(scope="module")
def built(build: Build) -> Built:
    return build("onnx-inference")


@pytest.fixture(scope="module")
def server(engine: Engine, desk: Desk, built: Built, models: Path) -> Iterator[str]:
    """Its address; the model's folder is all that is mounted."""
    contract = desk.contract("onnx-inference")
    with engine.start(contract, mounts=[Mount(source=models, target="/models")]) as container:
        address = f"http://127.0.0.1:{container.port(8000)}"
        wait_until_ready(address, container)
        yield address


def wait_until_ready(address: str, container: Container | None = None) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{address}/v2/health/ready", timeout=10) as answer:  # noqa: S310
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail(f"{address} is not ready: {container.logs().decode() if container else ''}")


def infer(address: str, model: str, **inputs: tuple[str, Array]) -> dict[str, Array]:
    tensors = [
        {"name": name, "datatype": kind, "shape": list(data.shape), "data": data.ravel().tolist()}
        for name, (kind, data) in inputs.items()
    ]
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{address}/v2/models/{model}/infer",
        json.dumps({"inputs": tensors}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        found = json.loads(answer.read())["outputs"]
    return {one["name"]: np.array(one["data"]).reshape(one["shape"]) for one in found}


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_a_classifier_gives_the_same_numbers_as_numpy(server: str, count: int) -> None:
    rows = np.random.default_rng(count).standard_normal((count, 4)).astype(np.float32)
    answer = infer(server, "classifier", x=("FP32", rows))
    likely, best = classify(rows)
    np.testing.assert_allclose(answer["likely"], likely, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(answer["class"], best)


def test_large_integers_are_exact(server: str) -> None:
    wanted = np.array([9, 0, 3])
    np.testing.assert_array_equal(infer(server, "lookup", row=("INT64", wanted))["found"], TABLE[wanted])


@pytest.mark.skipif(
    shutil.which("docker") is None, reason="the run contract's script needs docker's command line"
)
def test_the_rendered_script_starts_it_as_it_stands(
    engine: Engine, desk: Desk, built: Built, models: Path, tmp_path: Path
) -> None:
    """But for the container's name and port, which may be taken here."""
    name = f"temper-test-{tmp_path.name.replace('_', '-')}"
    text = (built.folder / "definition/run/docker-run.sh").read_text()
    assert text.count("--name onnx-inference") == text.count("127.0.0.1:8000:8000") == 1
    script = tmp_path / "run.sh"
    script.write_text(
        text.replace("--name onnx-inference", f"--name {name}").replace("127.0.0.1:8000:", "127.0.0.1::")
    )
    running = subprocess.Popen(
        ["sh", script], env={"PATH": "/usr/bin:/bin:/usr/local/bin", "MODELS_FOLDER": str(models)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        container = started(engine, name, running)
        address = f"http://127.0.0.1:{container.port(8000)}"
        wait_until_ready(address)
        wanted = np.array([5])
        np.testing.assert_array_equal(infer(address, "lookup", row=("INT64", wanted))["found"], TABLE[wanted])
        assert container.inspect()["HostConfig"]["ReadonlyRootfs"]
    finally:
        running.terminate()
        output = running.communicate(timeout=60)[0].decode()
    assert running.returncode in (0, 143), output


def started(engine: Engine, name: str, running: "subprocess.Popen[bytes]") -> Container:
    for _ in range(600):
        assert running.poll() is None, running.communicate()[0].decode()
        try:
            container = engine.container(name)
            if container.inspect()["State"]["Running"]:
                return container
        except EngineError:
            time.sleep(0.05)
    pytest.fail("the script started no container")
