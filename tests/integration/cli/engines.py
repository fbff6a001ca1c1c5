"""Container engines as they are on a bad day, at a socket of the test's own."""

import io
import json
import shutil
import socket
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any


@dataclass(slots=True)
class Engine:
    """Answers what loading an image asks; knows no image until it is given one."""

    path: Path
    mood: str = "good"
    """`dies` and `hangs up` while it is given an image; `is silent` then; `refuses` it."""
    changes: list[str] = field(default_factory=list)
    """What was asked of it besides looking: `load`, `tag temper/app:hardened`."""
    loading: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        return f"unix://{self.path}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, engine: Engine, *arguments: Any) -> None:
        self.engine = engine
        super().__init__(*arguments)

    def address_string(self) -> str:
        return "a socket"

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name in the base class
        pass

    def do_GET(self) -> None:
        if self.path.endswith("/version"):
            self._answer(200, {"Version": "99.0", "ApiVersion": "1.41", "MinAPIVersion": "1.12"})
        elif self.path.endswith("/_ping"):
            self._send(b"OK")
        else:
            self._answer(404, {"message": "no such image"})

    def do_POST(self) -> None:
        if "/images/load" in self.path:
            self._load()
        else:
            _, _, name = self.path.partition("?")
            self.engine.changes.append(f"tag {name}")
            self._answer(201, {})

    def _load(self) -> None:
        engine = self.engine
        engine.changes.append("load")
        engine.loading.set()
        match engine.mood:
            case "dies":
                engine.path.unlink()
                self._hang_up()
            case "hangs up":
                self._hang_up()
            case "is silent":
                engine.released.wait()
                self._hang_up()
            case "refuses":
                self._body()
                self._answer(200, {"error": "no space left on device"})
            case _:
                self._answer(200, {"stream": f"Loaded image ID: {_image_id(self._body())}\n"})

    def _hang_up(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _answer(self, status: int, data: dict[str, str]) -> None:
        self._send(json.dumps(data).encode(), status)

    def _send(self, text: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def _image_id(archive: bytes) -> str:
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        manifest = members.extractfile("manifest.json")
        assert manifest is not None
        return "sha256:" + str(json.load(manifest)[0]["Config"]).removesuffix(".json")


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """A client that was interrupted is no error."""


@contextmanager
def engine_at(path: Path, mood: str = "good") -> Iterator[Engine]:
    engine = Engine(path, mood)
    with _Server(str(path), partial(_Handler, engine)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield engine
        finally:
            engine.released.set()
            server.shutdown()
            thread.join()


class _Cut(ThreadingMixIn, UnixStreamServer):
    """Hands everything on to another socket, until so many bytes were sent there."""

    daemon_threads = True
    block_on_close = False
    real = ""
    left = 0

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base's
        with socket.socket(socket.AF_UNIX) as real:
            real.connect(self.real)
            back = threading.Thread(target=_pump, args=(real, request), daemon=True)
            back.start()
            with suppress(OSError):
                while data := request.recv(4096):
                    self.left -= len(data)
                    if self.left < 0:
                        Path(str(self.server_address)).unlink(missing_ok=True)
                        break
                    real.sendall(data)
            for side in (real, request):
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        shutil.copyfileobj(source.makefile("rb", buffering=0), target.makefile("wb", buffering=0))
        target.shutdown(socket.SHUT_WR)


@contextmanager
def cut_after(path: Path, real: str, size: int) -> Iterator[str]:
    """A real engine that goes away once it was sent so many bytes; gives its address."""
    with _Cut(str(path), _never) as server:
        server.real, server.left = real, size
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()


def _never(*_: Any) -> Any:
    raise AssertionError("finish_request does it all")
