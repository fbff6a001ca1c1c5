"""The distribution's own registry on loopback, and a front before it that has moods."""

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

PACKAGE = "docker-registry"
USER, SECRET = "ada", "a secret: with a colon"
HASHED = "ada:$2b$05$WItBD9JDhtSQWewkPfZkI.ZxJ51T011531Kr//nZFUlqbQV9zCm0i\n"
"""As `htpasswd -B` writes it."""
PATIENCE = 20
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def registry_program(folder: Path) -> Path:
    """Out of the distribution's package, which needn't be installed. Skips where there is none."""
    if found := shutil.which(PACKAGE):
        return Path(found)
    try:
        subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=folder, check=True, capture_output=True)
        [package] = folder.glob(f"{PACKAGE}_*.deb")
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True, capture_output=True)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        reason = f"no {PACKAGE} here, and its package can't be had: {error}"
        if os.environ.get("TEMPER_REQUIRE_ENGINE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder / "usr/bin" / PACKAGE


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    host: str
    client: httpx.Client

    def manifest(self, repository: str, name: str) -> tuple[str, dict[str, Any]]:
        """Its digest, as the registry says, and what stands in it."""
        answer = self.client.get(
            f"/v2/{repository}/manifests/{name}", headers={"Accept": f"{INDEX}, {MANIFEST}"}
        )
        assert answer.status_code == 200, answer.text
        return answer.headers["Docker-Content-Digest"], answer.json()

    def blob(self, repository: str, digest: str) -> bytes:
        answer = self.client.get(f"/v2/{repository}/blobs/{digest}")
        assert answer.status_code == 200, answer.text
        return answer.content

    def send(self, repository: str, data: bytes) -> dict[str, Any]:
        """A blob; how it is named in a manifest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        place = self.client.post(f"/v2/{repository}/blobs/uploads/").headers["Location"]
        sent = self.client.put(httpx.URL(place).copy_merge_params({"digest": digest}), content=data)
        assert sent.status_code == 201, sent.text
        return {"digest": digest, "size": len(data)}

    def tags(self, repository: str) -> list[str]:
        """Without those that stand in for the referrers API."""
        answer = self.client.get(f"/v2/{repository}/tags/list")
        names = answer.json().get("tags") or [] if answer.status_code == 200 else []
        return sorted(name for name in names if not name.startswith("sha256-"))

    def referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        _, index = self.manifest(repository, digest.replace(":", "-"))
        found: list[dict[str, Any]] = index["manifests"]
        return found


@contextmanager
def serving(program: Path, folder: Path, *, tls: Path | None = None) -> Iterator[Registry]:
    """With `tls`, a file of a key and its certificate, it also asks for a user and a password."""
    folder.mkdir(exist_ok=True)
    host = f"127.0.0.1:{free_port()}"
    settings: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": host},
    }
    if tls is not None:
        (folder / "htpasswd").write_text(HASHED)
        settings["http"]["tls"] = {"certificate": str(tls), "key": str(tls)}
        settings["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(settings))  # YAML too
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", folder / "config.yml"], stdout=log, stderr=log)
    base = f"{'https' if tls else 'http'}://{host}"
    with httpx.Client(base_url=base, verify=False, auth=(USER, SECRET) if tls else None) as client:  # noqa: S501
        try:
            wait_for(client, folder / "log")
            yield Registry(host=host, client=client)
        finally:
            process.terminate()
            process.wait()


def wait_for(client: httpx.Client, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if client.get("/v2/").status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)


Answer = tuple[int, dict[str, str], bytes]


@dataclass(slots=True)
class Front:
    """Passes everything on to a registry, but for what the mood says."""

    backend: str
    host: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path, in order."""
    answers: list[tuple[str, str, Answer]] = field(default_factory=list)
    """Method, a part of the path, and what is answered in the registry's stead: once each."""
    drops: dict[str, int] = field(default_factory=dict)
    """Method -> bytes of a body after which the connection is cut, once."""
    headers: dict[str, str] = field(default_factory=dict)
    """Put into the answers to PUT of a manifest."""
    tokens: bool = False
    """Ask for a token, which /token gives to who knows the password."""
    expired: int = 0
    """So many tokens that were given out are not taken any more."""
    given: int = 0

    def count(self, method: str, part: str = "") -> int:
        return sum(one == method and part in path for one, path in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, front: Front, *arguments: Any) -> None:
        self.front = front
        super().__init__(*arguments)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name in the base class
        pass

    def handle_any(self) -> None:
        front = self.front
        front.asked.append((self.command, self.path))
        if front.tokens and (answer := self.admission()):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.reply(answer)
            return
        for number, (method, part, answer) in enumerate(front.answers):
            if method == self.command and part in self.path:
                del front.answers[number]
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.reply(answer)
                return
        self.pass_on()

    def __getattr__(self, name: str) -> Any:
        """`do_GET` and its kin."""
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def admission(self) -> Answer | None:
        front = self.front
        url = urlsplit(self.path)
        if url.path == "/token":
            known = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
            if self.headers.get("Authorization") != f"Basic {known}":
                return 401, {}, b"{}"
            assert parse_qs(url.query) == {"service": ["front"], "scope": ["repository:team/app:pull,push"]}
            front.given += 1
            return 200, {"Content-Type": "application/json"}, b'{"token": "T%d"}' % front.given
        said = self.headers.get("Authorization", "")
        if said.startswith("Bearer T") and int(said.removeprefix("Bearer T")) > front.expired:
            return None
        challenge = f'Bearer realm="http://{front.host}/token",service="front",scope="ignored"'
        return 401, {"WWW-Authenticate": challenge}, b"{}"

    def pass_on(self) -> None:
        connection = HTTPConnection(self.front.backend)
        headers = {name: value for name, value in self.headers.items() if name != "Authorization"}
        headers["Host"] = self.front.host  # so that it sends us back to the front
        size, limit = int(self.headers.get("Content-Length", 0)), self.front.drops.get(self.command, -1)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        cut = 0 <= limit < size
        left = limit if cut else size
        while left and (piece := self.rfile.read(min(left, 1 << 14))):
            connection.send(piece)
            left -= len(piece)
        if cut:
            del self.front.drops[self.command]
            connection.close()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.answer_of(connection.getresponse())
        connection.close()

    def answer_of(self, response: HTTPResponse) -> None:
        body = response.read()
        kept = {
            name: value for name, value in response.getheaders() if name.lower() not in ("date", "connection")
        }
        if self.command == "PUT" and "/manifests/" in self.path:
            kept.update(self.front.headers)
        self.reply((response.status, kept, body))

    def reply(self, answer: Answer) -> None:
        status, headers, body = answer
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD" and status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def fronting(backend: str) -> Iterator[Front]:
    front = Front(backend)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, front)) as server:
        server.daemon_threads = True
        front.host = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield front
        finally:
            server.shutdown()
