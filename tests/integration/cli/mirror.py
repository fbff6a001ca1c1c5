"""A mirror with moods: it serves a folder, knows ranges as real ones do, and can drop, hold or count."""

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Mirror:
    """What the mirror does to files whose path ends as the keys say."""

    folder: Path
    url: str = ""
    drop: dict[str, int] = field(default_factory=dict)
    """After so many bytes, once: the next request gets all it asks for."""
    hold: dict[str, int] = field(default_factory=dict)
    """After so many bytes it is silent until `release`."""
    held: threading.Event = field(default_factory=threading.Event)
    """Somebody waits for held bytes."""
    released: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of every request, in order."""

    def release(self) -> None:
        self.hold.clear()
        self.released.set()

    def asked_for(self, ending: str) -> list[str]:
        """The ranges that were asked for of a file."""
        return [span for path, span in self.asked if path.endswith(ending)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, mirror: Mirror, *arguments: Any) -> None:
        self.mirror = mirror
        super().__init__(*arguments)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name in the base class
        pass

    def do_GET(self) -> None:
        mirror, span = self.mirror, self.headers.get("Range", "")
        mirror.asked.append((self.path, span))
        file = mirror.folder / self.path.lstrip("/")
        if not file.is_file():
            self.send_error(404)
            return
        data = file.read_bytes()
        match = re.fullmatch(r"bytes=(\d+)-", span)
        start = int(match[1]) if match else 0
        self.send_response(206 if match else 200)
        if match:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self._send(data[start:])

    def _send(self, data: bytes) -> None:
        mood = self.mirror
        if (cut := _taken(mood.drop, self.path, once=True)) is not None:
            self.wfile.write(data[:cut])
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if (cut := _taken(mood.hold, self.path, once=False)) is not None:
            self.wfile.write(data[:cut])
            data = data[cut:]
            mood.held.set()
            mood.released.wait()
        try:
            self.wfile.write(data)
        except OSError:  # killed, while we held it
            self.close_connection = True


def _taken(moods: dict[str, int], path: str, *, once: bool) -> int | None:
    for ending in [ending for ending in moods if path.endswith(ending)]:
        return moods.pop(ending) if once else moods[ending]
    return None


@contextmanager
def serving(folder: Path) -> Iterator[Mirror]:
    """On a free port of loopback."""
    mirror = Mirror(folder)
    handler: Callable[..., _Handler] = partial(_Handler, mirror)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True  # a killed client's connection may stay open
        mirror.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield mirror
        finally:
            mirror.release()
            server.shutdown()
            thread.join()
