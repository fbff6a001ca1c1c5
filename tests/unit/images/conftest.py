"""Fixtures of the onnx-inference image's server: a real ASGI application over a folder of models."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

APP = Path(__file__).parents[3] / "images/onnx-inference/app"
sys.path.insert(0, str(APP))  # as PYTHONPATH does in the image

from server.api import make_app  # noqa: E402
from server.settings import Settings  # noqa: E402
from server.work import Service  # noqa: E402


class Client:
    """Calls the application in this process, a request at a time or several at once."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.app = make_app(service)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://server.test", timeout=60)
        self.runner = asyncio.Runner()

    def get(self, path: str) -> httpx.Response:
        return self.runner.run(self.http.get(path))

    def post(self, path: str, **request: Any) -> httpx.Response:
        return self.runner.run(self.http.post(path, **request))

    def post_all(self, path: str, requests: list[dict[str, Any]]) -> list[httpx.Response]:
        async def together() -> list[httpx.Response]:
            return await asyncio.gather(*(self.http.post(path, **request) for request in requests))

        return self.runner.run(together())

    def close(self) -> None:
        self.runner.run(self.http.aclose())
        self.runner.close()
        self.service.stop()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def serve(models: Path) -> Iterator[Callable[..., Client]]:
    """`serve(timeout=1.0)`: a server over the `models` folder; with `ready=False` before it is loaded."""
    running: list[Client] = []

    def start(*, ready: bool = True, **settings: Any) -> Client:
        client = Client(Service(Settings(models=models, **settings)))
        running.append(client)
        if ready:
            client.service.start()
            client.service.loading.join(60)
            assert client.service.failure == ""
        return client

    yield start
    for client in running:
        client.close()
