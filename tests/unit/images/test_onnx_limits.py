"""What the onnx-inference image's server does under too much, too large, too slow and too early."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.images.onnx_models import save_endless, save_linear

Serve = Callable[..., Any]
INFER = "/v2/models/linear/infer"
GOOD = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
ENDLESS = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}]}


@pytest.fixture
def linear(models: Path) -> Path:
    save_linear(models / "linear.onnx")
    return models


def test_a_body_that_says_it_is_too_large_is_not_read(linear: Path, serve: Serve) -> None:
    answer = serve(max_request=100).post(INFER, content=b"x" * 101)
    assert (answer.status_code, answer.json()) == (
        413,
        {"error": "the body is larger than 100 bytes, the limit here (ONNX_MAX_REQUEST)"},
    )


def test_a_body_without_a_length_is_read_up_to_the_limit(linear: Path, serve: Serve) -> None:
    read = []

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(1000):
            read.append(number)
            yield b"x" * 10

    answer = serve(max_request=100).post(INFER, content=chunks())
    assert answer.status_code == 413
    assert len(read) < 1000 or not answer.request.headers.get("content-length")


def test_a_compressed_body_is_refused(linear: Path, serve: Serve) -> None:
    answer = serve().post(INFER, content=b"", headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()) == (
        415,
        {"error": "send the body without Content-Encoding"},
    )


def test_a_client_that_dawdles_is_told_so(linear: Path, serve: Serve) -> None:
    client = serve(read_timeout=0.05)
    never = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await never.wait()
        raise AssertionError

    status, _ = client.runner.run(call(client, receive))
    assert status == 408


async def call(client: Any, receive: Callable[[], Any]) -> tuple[int, bytes]:
    """One request with a body that comes by `receive`, straight into the application."""
    sent: list[Any] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": INFER,
        "raw_path": INFER.encode(),
        "query_string": b"",
        "headers": [],
        "scheme": "http",
    }

    async def send(message: Any) -> None:
        sent.append(message)

    await client.app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_a_client_that_hangs_up_leaves_nothing_behind(linear: Path, serve: Serve) -> None:
    client = serve(max_buffered=1000)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    for _ in range(3):
        client.runner.run(call(client, receive))
    assert client.post(INFER, json=GOOD).status_code == 200


def test_bodies_share_a_limited_memory(linear: Path, serve: Serve) -> None:
    client = serve(max_buffered=10)
    answer = client.post(INFER, json=GOOD)
    assert (answer.status_code, answer.json()) == (
        503,
        {"error": "too much data is waiting; try again later"},
    )
    assert answer.headers["retry-after"] == "1"
    assert client.post(INFER, content=b"{}").status_code == 400, "the memory was not given back"


def test_an_inference_without_an_end_is_stopped(models: Path, serve: Serve) -> None:
    save_endless(models / "endless.onnx")
    save_linear(models / "linear.onnx")
    client = serve(timeout=0.3)
    answer = client.post("/v2/models/endless/infer", json=ENDLESS)
    assert (answer.status_code, answer.json()) == (504, {"error": "no result after 0.3 seconds"})
    wait_until_idle(client)
    assert client.post(INFER, json=GOOD).status_code == 200, "the thread was not given back"


def wait_until_idle(client: Any) -> None:
    """The stopped inference's thread takes the next work once it is free."""
    free = threading.Event()
    client.service.queue._pool.submit(free.set)
    assert free.wait(30)


def test_a_full_queue_is_told_at_once(models: Path, serve: Serve) -> None:
    save_endless(models / "endless.onnx")
    client = serve(timeout=1, concurrency=1, queue=2)
    answers = client.post_all("/v2/models/endless/infer", [{"json": ENDLESS}] * 5)
    assert sorted(answer.status_code for answer in answers) == [503, 503, 504, 504, 504]
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert refused.json() == {"error": "too many requests are waiting; try again later"}
    assert refused.headers["retry-after"] == "1"


def test_it_is_live_before_it_is_ready(linear: Path, serve: Serve) -> None:
    client = serve(ready=False)
    assert client.get("/v2/health/live").status_code == 200
    ready = client.get("/v2/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"ready": False})
    early = client.post(INFER, json=GOOD)
    assert (early.status_code, early.json()) == (503, {"error": "the models are still loading"})


def test_many_clients_at_once_get_their_own_numbers(linear: Path, serve: Serve) -> None:
    client = serve(concurrency=4, queue=100)
    requests = [
        {"json": {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [number, 0, 0]}]}}
        for number in range(50)
    ]
    answers = [answer.json()["outputs"][0]["data"] for answer in client.post_all(INFER, requests)]
    assert answers == [[number + 0.5, -2.0 * number - 1] for number in range(50)]


def test_a_bug_tells_nothing_of_the_inside(
    linear: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr("server.api.read_request", broken)
    answer = serve().post(INFER, json=GOOD)
    assert (answer.status_code, answer.json()) == (500, {"error": "internal error"})
