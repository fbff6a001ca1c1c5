"""The onnx-inference image's entry point and health check as processes, on loopback."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.images.conftest import APP
from tests.unit.images.onnx_models import save_linear


def start(models: Path, **variables: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ONNX_", "COV_"))}
    environ = {
        **kept,
        "PYTHONPATH": str(APP),
        "PYTHONUNBUFFERED": "1",
        "ONNX_MODELS": str(models),
        **variables,
    }
    command = [sys.executable, "-m", "server"]
    return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_line(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    read = []
    for line in process.stderr:
        read.append(line)
        if words in line:
            return
    raise AssertionError("".join(read))


@pytest.fixture
def port(models: Path) -> Iterator[int]:
    """Of a server that is ready, with the model `linear`."""
    save_linear(models / "linear.onnx")
    port = free_port()
    process = start(models, ONNX_LISTEN=f"127.0.0.1:{port}", ONNX_GRACE="20")
    server[port] = process
    wait_for_line(process, "ready: serving linear")
    yield port
    process.kill()
    process.communicate()
    del server[port]


server: dict[int, subprocess.Popen[str]] = {}


def post(port: int, model: str, shape: list[int], data: list[float]) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": shape, "data": data}]})
    connection.request("POST", f"/v2/models/{model}/infer", body)
    answer = connection.getresponse()
    found = answer.status, json.loads(answer.read())
    connection.close()
    return found


def check(listen: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "ONNX_LISTEN": listen}
    command = [sys.executable, APP / "health.py"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_it_serves_and_its_health_check_agrees(port: int) -> None:
    status, answer = post(port, "linear", [1, 3], [1, 2, 3])
    assert (status, answer["model_name"]) == (200, "linear")
    done = check(f"0.0.0.0:{port}")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_health_check_says_what_is_wrong() -> None:
    port = free_port()
    done = check(f"0.0.0.0:{port}")
    assert done.returncode == 1
    assert done.stderr == f"no answer from 127.0.0.1:{port}: [Errno 111] Connection refused\n"


def test_a_running_request_is_answered_before_the_end(port: int) -> None:
    """`100 Continue` tells that the request is being read; its body comes after SIGTERM."""
    body = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]})
    head = f"POST /v2/models/linear/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 100")
        server[port].send_signal(signal.SIGTERM)
        wait_for_line(server[port], "Shutting down")
        client.sendall(body.encode())
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"data":[11.5,9.5]' in answer
    # as a first process it ends with 0: there the kernel ignores the signal that uvicorn raises once more
    assert server[port].wait(30) in (0, -signal.SIGTERM)


def test_a_model_that_can_not_be_served_ends_it_with_1(models: Path) -> None:
    (models / "bad.onnx").write_bytes(b"no model")
    process = start(models, ONNX_LISTEN=f"127.0.0.1:{free_port()}")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.splitlines()[-1].startswith(f"{models}/bad.onnx: not a model that can be served: ")
    assert "Traceback" not in said


def test_a_setting_that_does_not_fit_ends_it_with_2(models: Path) -> None:
    process = start(models, ONNX_QUEUE="many")
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (
        2,
        "ONNX_QUEUE: 'many' does not fit; write a whole number above 0\n",
    )


def test_a_port_that_is_taken_ends_it_with_an_error(models: Path) -> None:
    save_linear(models / "linear.onnx")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start(models, ONNX_LISTEN=f"127.0.0.1:{taken.getsockname()[1]}")
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "address already in use" in said
