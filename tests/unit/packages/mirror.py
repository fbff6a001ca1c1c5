"""A mirror on loopback that misbehaves as told: it drops connections, ignores ranges, tells no length."""

import hashlib
import http.server
import threading
from collections.abc import Callable

from builder.packages.download import Download

DATA = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(DATA).hexdigest()

Answer = Callable[["Handler"], None]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Mirror"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range", "")))
        self.server.headers.append(dict(self.headers))
        answers = self.server.answers.get(self.path) or [status(404)]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        try:
            answer(self)
        except ConnectionError:  # the client went away first, as some tests want
            self.close_connection = True

    def begin(self, code: int, length: int, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


class Mirror(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []

    def handle_error(self, *_: object) -> None:
        """A client that is killed or gives up is no error here."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def offer(self, *answers: Answer, data: bytes = DATA, name: str = "a.deb") -> Download:
        """The answers come in turn; the last one again and again."""
        self.answers[f"/{name}"] = list(answers)
        return Download(self.url(f"/{name}"), hashlib.sha256(data).hexdigest(), len(data), name)


def start_of(handler: Handler) -> int:
    """The first byte that was asked for."""
    return int(handler.headers.get("Range", "bytes=0-")[6:-1])


def begin_rest(handler: Handler, data: bytes) -> bytes:
    """Answers with what was asked for, and returns it."""
    start = start_of(handler)
    extra = {"Content_Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
    handler.begin(206 if start else 200, len(data) - start, **extra)
    return data[start:]


def serve(data: bytes = DATA) -> Answer:
    return lambda handler: send(handler, begin_rest(handler, data))


def send(handler: Handler, data: bytes) -> None:
    handler.wfile.write(data)


def drop_after(count: int) -> Answer:
    """Sends so many bytes of what was asked for, then hangs up."""

    def answer(handler: Handler) -> None:
        send(handler, begin_rest(handler, DATA)[:count])
        handler.close_connection = True

    return answer


def hold_after(count: int, gate: threading.Event) -> Answer:
    """Sends so many bytes, then the rest when the gate opens."""

    def answer(handler: Handler) -> None:
        data = begin_rest(handler, DATA)
        send(handler, data[:count])
        gate.wait(60)
        send(handler, data[count:])

    return answer


def status(code: int, **headers: str) -> Answer:
    return lambda handler: handler.begin(code, 0, **headers)


def ignore_range(handler: Handler) -> None:
    handler.begin(200, len(DATA))
    send(handler, DATA)


def begin_and_drop(count: int) -> Answer:
    """Ignores Range, sends so many bytes of the whole file and hangs up."""

    def answer(handler: Handler) -> None:
        handler.begin(200, len(DATA))
        send(handler, DATA[:count])
        handler.close_connection = True

    return answer


def send_another_range(handler: Handler) -> None:
    handler.begin(206, 10, Content_Range=f"bytes 5-14/{len(DATA)}")
    send(handler, DATA[5:15])


def send_without_length(data: bytes) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        send(handler, data)

    return answer
