"""A Sigstore of one's own on loopback, of the real programs: who signs without a key of theirs needs one.

Fulcio gives certificates to who has a token of our identity provider, TesseraCT logs the certificates, Rekor
the signatures, and a time stamp authority says when. They come from no package, so tests skip where they
aren't on the PATH. `go install` makes them of these (the two called `posix` are renamed):

    fulcio              github.com/sigstore/fulcio
    tesseract-posix     github.com/transparency-dev/tesseract/cmd/tesseract/posix
    rekor-server-posix  github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix
    timestamp-server    github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server
    cosign              github.com/sigstore/cosign/v3/cmd/cosign
"""

import fcntl
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import httpx
import jwt
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.integration.images.certificates import certificate
from tests.integration.images.certificates import name as certificate_name
from tests.integration.registry import free_port

PROGRAMS = ("fulcio", "tesseract-posix", "rekor-server-posix", "timestamp-server")
PATIENCE = 30
START = "2024-01-01T00:00:00Z"
ADA = "ada@example.test"
TEXT: dict[str, Any] = {"capture_output": True, "text": True}
PEM, PKCS8, PLAIN = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(slots=True)
class Provider:
    """An identity provider (OpenID Connect), as small as can be."""

    url: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def token(self, name: str = ADA, **claims: Any) -> str:
        now = int(time.time())
        said = {
            "iss": self.url,
            "aud": "sigstore",
            "sub": name,
            "email": name,
            "email_verified": True,
            "iat": now,
            "exp": now + 600,
        }
        return jwt.encode({**said, **claims}, self.key, algorithm="RS256", headers={"kid": "one"})

    def document(self, path: str) -> dict[str, Any]:
        if path == "/keys":
            shown = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            return {"keys": [{**shown, "kid": "one", "alg": "RS256", "use": "sig"}]}
        return {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{self.url}/auth",
            "token_endpoint": f"{self.url}/token",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, provider: Provider, *arguments: Any) -> None:
        self.provider = provider
        super().__init__(*arguments)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name in the base class
        pass

    def do_GET(self) -> None:
        data = json.dumps(self.provider.document(self.path)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def identity_provider() -> Iterator[Provider]:
    provider = Provider()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, provider)) as server:
        server.daemon_threads = True
        provider.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield provider
        finally:
            server.shutdown()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sigstore:
    provider: Provider
    root: Path
    """trusted root"""
    services: Path
    """signing config"""


def programs() -> dict[str, str]:
    found = {name: shutil.which(name) for name in PROGRAMS}
    if missing := [name for name, path in found.items() if path is None]:
        pytest.skip(f"not on the PATH: {', '.join(missing)}")
    return {name: str(path) for name, path in found.items()}


@contextmanager
def own_sigstore(folder: Path) -> Iterator[Sigstore]:
    found = programs()
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        # the time stamp authority's figures have one port, whatever one says
        alone = stack.enter_context(Path(gettempdir(), "temper-tests-sigstore.lock").open("w"))
        fcntl.flock(alone, fcntl.LOCK_EX)
        provider = stack.enter_context(identity_provider())
        ports = {name: free_port() for name in ("fulcio", "grpc", "ct", "rekor", "rekor-grpc", "tsa")}
        urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        start = partial(_started, stack, folder)
        roots = _authority(folder)
        start(
            found["fulcio"], "serve", "--ca=fileca", f"--fileca-cert={roots}", "--fileca-watch=false",
            f"--fileca-key={folder / 'fulcio.key'}", "--fileca-key-passwd=x", f"--ct-log-url={urls['ct']}",
            "--host=127.0.0.1", f"--port={ports['fulcio']}", "--metrics-port=0",
            "--grpc-host=127.0.0.1", f"--grpc-port={ports['grpc']}",
            f"--config-path={_issuers(folder, provider)}",
            f"--legacy-unix-domain-socket=@fulcio-{ports['fulcio']}",
        )  # fmt: skip
        ct, rekor = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
        ct_key = _private(folder / "ct.key", ct, PrivateFormat.TraditionalOpenSSL)
        start(
            found["tesseract-posix"], f"--http_endpoint=127.0.0.1:{ports['ct']}", "--origin=ct.example.test",
            f"--storage_dir={folder / 'ct'}", f"--private_key={ct_key}", f"--roots_pem_file={roots}",
            "--ext_key_usages=CodeSigning", "--checkpoint_interval=100ms", "--batch_max_age=20ms",
            "--enable_publication_awaiter=false",
        )  # fmt: skip
        start(
            found["rekor-server-posix"], "serve", f"--http-port={ports['rekor']}",
            f"--grpc-port={ports['rekor-grpc']}", "--http-metrics-port=0", "--hostname=127.0.0.1",
            f"--storage-dir={folder / 'rekor'}", f"--signer-filepath={_private(folder / 'rekor.key', rekor)}",
            "--checkpoint-interval=100ms", "--batch-max-age=20ms",
        )  # fmt: skip
        start(
            found["timestamp-server"], "serve", "--host=127.0.0.1", f"--port={ports['tsa']}",
            "--timestamp-signer=memory", "--disable-ntp-monitoring",
        )  # fmt: skip
        stamps = _write(folder / "tsa.pem", _await(f"{urls['tsa']}/api/v1/timestamp/certchain").text)
        _await(f"{urls['fulcio']}/healthz")
        _await(f"{urls['rekor']}/healthz")
        _await(f"{urls['ct']}/ct/v1/get-roots")
        root = _root(folder, urls, roots, stamps, ct, rekor)
        yield Sigstore(provider=provider, root=root, services=_services(folder, urls))


def _authority(folder: Path) -> Path:
    """Its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    data = key.private_bytes(PEM, PKCS8, BestAvailableEncryption(b"x"))
    (folder / "fulcio.key").write_bytes(data)
    name = certificate_name("A Sigstore Of One's Own")
    return _write(folder / "fulcio.pem", certificate(name, key, name, key).public_bytes(PEM).decode())


def _issuers(folder: Path, provider: Provider) -> Path:
    issuer = {"issuer-url": provider.url, "client-id": "sigstore", "type": "email"}
    return _write(folder / "fulcio.yaml", yaml.safe_dump({"oidc-issuers": {provider.url: issuer}}))


def _started(stack: ExitStack, folder: Path, *command: str) -> None:
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.kill)


def _await(url: str) -> httpx.Response:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            answer = httpx.get(url)
            if answer.status_code < 300:
                return answer
        except httpx.TransportError:
            pass
        assert time.monotonic() < end, url
        time.sleep(0.05)


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _private(path: Path, key: Key, form: PrivateFormat = PKCS8) -> Path:
    return _write(path, key.private_bytes(PEM, form, PLAIN).decode())


def _public(path: Path, key: Key) -> Path:
    return _write(path, key.public_key().public_bytes(PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def cosign_3() -> str:
    """What writes a root of trust and a signing config in the forms that all others read."""
    program = shutil.which("cosign")
    if program is None or "v3." not in subprocess.run([program, "version"], check=True, **TEXT).stdout:
        pytest.skip("the first cosign on the PATH is not release 3")
    return program


def _root(folder: Path, urls: dict[str, str], roots: Path, stamps: Path, ct: Key, rekor: Key) -> Path:
    out = folder / "trusted-root.json"
    ct_key, rekor_key = _public(folder / "ct.pub", ct), _public(folder / "rekor.pub", rekor)
    command = [
        cosign_3(), "trusted-root", "create", f"--out={out}",
        f"--fulcio=url={urls['fulcio']},certificate-chain={roots},start-time={START}",
        f"--ctfe=url={urls['ct']},public-key={ct_key},start-time={START}",
        f"--rekor=url={urls['rekor']},public-key={rekor_key},start-time={START},origin=127.0.0.1",
        f"--tsa=url={urls['tsa']}/api/v1/timestamp,certificate-chain={stamps},start-time={START}",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return out


def _services(folder: Path, urls: dict[str, str]) -> Path:
    out = folder / "signing-config.json"
    rest = f"start-time={START},operator=example.test"
    command = [
        cosign_3(), "signing-config", "create", f"--out={out}",
        f"--fulcio=url={urls['fulcio']},api-version=1,{rest}",
        f"--rekor=url={urls['rekor']},api-version=2,{rest}", "--rekor-config=ANY",
        f"--tsa=url={urls['tsa']}/api/v1/timestamp,api-version=1,{rest}", "--tsa-config=ANY",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return out
