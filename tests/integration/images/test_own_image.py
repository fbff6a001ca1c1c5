"""An image of one's own in one's own folder: its code, its authority, its profile, its tests.

A TLS server whose certificate only the company's authority vouches for; its key is mounted, as the control
`no-secrets` wants it. The image's own test asks it from inside with nothing but the image's bundle.
"""

import http.client
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.image.engine import Engine
from builder.image.running import Container, Mount
from tests.integration.images.certificates import authority_and_server
from tests.integration.images.desk import Build, Built, Desk, failures, live_checks

pytestmark = pytest.mark.network

IMAGE = """
description: Says over TLS who and where it is
base: debian/trixie
packages: [ca-certificates, netbase, tzdata]
python: {version: "3.13"}
files:
  - {source: app/, target: /app}
certificates: [authority.pem]
entrypoint: [python3, /app/main.py]
env: {LANG: C}
stop-signal: SIGINT # what Python handles from its start
ports: [8443]
healthcheck:
  command: [python3, /app/check.py]
  interval: 1
writable:
  - {path: /tmp, size: 16m}
state:
  - {path: /tls, mode: ro}
platforms: [linux/amd64]
"""

PROFILE = """
extends: hardened
title: Our company's baseline
controls:
  nonroot-user: {uid: 10001, gid: 10001}
run: {memory: 256m, pids: 64}
"""

MAIN = """
import getpass, http.server, json, os, ssl, threading
from datetime import datetime
from zoneinfo import ZoneInfo


def refused(path):
    try:
        open(path, "ab").close()
    except OSError:
        return True
    return False


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        summer = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("America/Sao_Paulo"))
        body = json.dumps({
            "user": getpass.getuser(), "ids": [os.getuid(), os.getgid(), os.getpid()],
            "zone": summer.isoformat(), "threads": threading.active_count() > 1,
            "refused": [refused(path) for path in ("/app/main.py", "/tls/server.pem", "/new", "/etc/passwd")],
        }).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tls/server.pem")
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""

CHECK = """
import urllib.request
assert urllib.request.urlopen("https://localhost:8443/", timeout=5).status == 200
"""

SUITE = '''
import json

import pytest

ASK = """
import http.client, json, ssl
from concurrent.futures import ThreadPoolExecutor
def ask(number):
    trust = ssl.create_default_context()
    connection = http.client.HTTPSConnection("localhost", 8443, timeout=30, context=trust)
    connection.request("GET", f"/{number}")
    return json.loads(connection.getresponse().read())["ids"]
with ThreadPoolExecutor(8) as threads:
    print(json.dumps(list(threads.map(ask, range(24)))))
"""


@pytest.mark.program
def test_the_image_trusts_its_own_authority(host):
    assert json.loads(host.check_output("python3 -c %s", ASK)) == [[10001, 10001, 1]] * 24


def test_it_trusts_the_public_ones_too(host):
    count = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"
    assert int(host.check_output("python3 -c %s", count)) > 100
'''


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


@pytest.fixture(scope="module")
def authority(desk: Desk) -> bytes:
    """Lays the image and its profile on the desk."""
    authority, server = authority_and_server()
    folder = desk.folder / "images/teller"
    write(
        folder,
        {
            "image.yaml": IMAGE,
            "authority.pem": authority,
            "app/main.py": MAIN,
            "app/check.py": CHECK,
            "tests/test_teller.py": SUITE,
            "tests/state/tls/server.pem": server,
        },
    )
    write(desk.folder / "profiles", {"company.yaml": PROFILE})
    return authority


@pytest.fixture(scope="module")
def built(authority: bytes, build: Build) -> Built:
    return build("teller", profile="company", platform="linux/amd64")


def test_every_control_of_the_company_s_profile_passes(built: Built) -> None:
    assert failures(built.report) == []
    assert built.image().config.user == "10001:10001"
    assert len(built.report["controls"]) >= 33


@pytest.mark.docker
def test_its_own_tests_ran_in_the_container(engine: Engine, built: Built) -> None:
    own = {
        one["name"]: one["outcome"] for one in live_checks(built.report) if one["name"].startswith("teller:")
    }
    assert own == {
        "teller: the image trusts its own authority": "passed",
        "teller: it trusts the public ones too": "passed",
    }


@pytest.fixture(scope="module")
def container(engine: Engine, desk: Desk, built: Built) -> Iterator[Container]:
    tls = desk.folder / "images/teller/tests/state/tls"
    for path in (tls, *tls.iterdir()):
        path.chmod(0o755)  # the image's user must read it, whatever the umask
    contract = desk.contract("teller", "company", user=built.image().config.user)
    with engine.start(contract, mounts=[Mount(source=tls, target="/tls")]) as running:
        yield running


@pytest.fixture
def healthy(container: Container) -> Container:
    """The engine itself runs the health check, in the container, with the image's bundle."""
    for _ in range(600):
        if container.inspect()["State"]["Health"]["Status"] == "healthy":
            return container
        time.sleep(0.05)
    pytest.fail(f"not healthy: {container.inspect()['State']['Health']}\n{container.logs().decode()}")


def ask(container: Container, context: ssl.SSLContext) -> Any:
    connection = http.client.HTTPSConnection("127.0.0.1", container.port(8443), timeout=30, context=context)
    try:
        connection.request("GET", "/")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.mark.docker
def test_it_does_its_work_without_root_on_a_read_only_root(healthy: Container, authority: bytes) -> None:
    answer = ask(healthy, ssl.create_default_context(cadata=authority.decode()))
    assert answer == {
        "user": "nonroot",
        "ids": [10001, 10001, 1],
        "zone": "2026-07-01T12:00:00-03:00",
        "threads": True,
        "refused": [True] * 4,
    }


@pytest.mark.docker
def test_who_does_not_trust_the_authority_gets_nothing(healthy: Container) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer certificate"):
        ask(healthy, ssl.create_default_context())
