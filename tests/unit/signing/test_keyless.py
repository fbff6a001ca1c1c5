"""Services that refuse, stumble or hang while a signature without a key is made."""

import asyncio
import datetime
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
import sigstore.sign
from sigstore.dsse import Statement
from sigstore.models import Bundle, SigningConfig
from sigstore.oidc import IdentityToken
from sigstore_models.trustroot.v1 import SigningConfig as Inner

from builder.image.config import MANIFEST
from builder.packages.session import RefusedError
from builder.registry.name import Reference
from builder.registry.push import Document
from builder.signing import bundles, keyless
from builder.signing.keyless import Keyless
from builder.signing.trust import Instance, need_library, read_root
from tests.integration.images.certificates import authority_and_server
from tests.record_keyless import CASES, STATEMENT
from tests.unit.signing.test_trust import SERVICE, SERVICES

CERTIFICATE, STAMP, ENTRY = "/api/v2/signingCert", "/", "/api/v2/log/entries"
CERTIFIED = (200, (CASES / "certified.json").read_bytes())
Answer = tuple[int, bytes]


@dataclass(slots=True)
class Services:
    url: str = ""
    answers: dict[str, Answer | None] = field(default_factory=lambda: {CERTIFICATE: CERTIFIED})
    """By path; `None` is none at all."""
    asked: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    impatient: bool = False
    """Whoever asks for a certificate is given hardly any time from then on."""


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, services: Services, *arguments: Any) -> None:
        self.services = services
        super().__init__(*arguments)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name in the base class
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.services.asked.append(self.path)
        if self.services.impatient:
            keyless.LONGEST = 0.2
        answer = self.services.answers.get(self.path, (404, b""))
        if answer is None:
            self.services.over.wait()
            return
        self.send_response(answer[0])
        self.send_header("Content-Length", str(len(answer[1])))
        self.end_headers()
        self.wfile.write(answer[1])


@contextmanager
def serving(found: Services, encrypted: ssl.SSLContext | None = None) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, found)) as server:
        server.daemon_threads = True
        if encrypted is not None:
            server.socket = encrypted.wrap_socket(server.socket, server_side=True)
        found.url = f"http{'s' if encrypted else ''}://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            found.over.set()
            server.shutdown()


@pytest.fixture
def services() -> Iterator[Services]:
    found = Services()
    with serving(found):
        yield found


@dataclass(frozen=True, slots=True)
class NoRegistry:
    reference: Reference = Reference(host="registry.example", repository="app", tag="1")  # noqa: RUF009


def token() -> IdentityToken:
    now = int(time.time())
    claims = {"iss": "https://id.example.test", "aud": "sigstore", "sub": "ada", "iat": now, "exp": now + 600}
    return IdentityToken(
        jwt.encode(claims, "a key of thirty-two bytes or more, or it warns", algorithm="HS256")
    )


@dataclass(frozen=True, slots=True)
class Replayed:
    """A signer that has signed before."""

    bundle: Bundle

    def sign_dsse(self, _: Statement) -> Bundle:
        return self.bundle


def config(url: str) -> SigningConfig:
    rows = {name: [{**row, "url": url} for row in SERVICES[name]] for name in ("caUrls", "rekorTlogUrls")}
    data = {**SERVICES, **rows, "tsaUrls": [{**SERVICE, "url": f"{url}/"}]}
    return SigningConfig(Inner.from_json(json.dumps(data)))


def refusal(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of everything that is done before a byte is sent."""

    async def none(*_: object) -> tuple[bytes, ...]:
        return ()

    monkeypatch.setattr(bundles, "there", none)
    root = read_root(CASES / "trusted-root.json")
    signing = Keyless(token(), Instance(root=root, services=config(url)))
    subject = Document(media_type=MANIFEST, data=b"{}")
    with pytest.raises(RefusedError) as caught:
        asyncio.run(signing.prepare(NoRegistry(), [(subject, ())]))  # type: ignore[arg-type]
    assert signing.identity is None
    return str(caught.value)


def at(year: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Then(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> "Then":
            return cls(year, 1, 1, tzinfo=tz)

    monkeypatch.setattr(sigstore.sign, "datetime", Then)


@pytest.fixture
def in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded certificate, of minutes in 2026, hasn't run out yet."""
    at(2026, monkeypatch)


MESSAGE = b'{"code": 3, "message": "There was an error processing the identity token", "details": []}'


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((400, MESSAGE), " answered 400 bad request: there was an error processing the identity token"),
        ((401, b"<html>"), " answered 401 unauthorized"),
        ((500, b"oops"), " answered 500 internal server error"),
        ((200, b"<html>"), " answers with something else than JSON"),
        ((200, b"[]"), ": list indices must be integers or slices, not str"),
        ((200, b"{}"), ": fulcio response missing certificate chain"),
        (None, " hasn't answered in 0.2 seconds"),
    ],
)
def test_the_certificate_authority(
    services: Services, monkeypatch: pytest.MonkeyPatch, answer: Answer | None, said: str
) -> None:
    monkeypatch.setattr(keyless, "LONGEST", 0.2 if answer is None else keyless.LONGEST)
    services.answers[CERTIFICATE] = answer
    assert refusal(services.url, monkeypatch) == f"the certificate authority '{services.url}'{said}"
    assert services.asked == [CERTIFICATE]


def test_nobody_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal("http://127.0.0.1:9", monkeypatch) == (
        "the certificate authority 'http://127.0.0.1:9' can't be reached; check the network and its address"
    )


def test_a_certificate_of_another_authority(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.loads(CERTIFIED[1])
    other = json.loads((CASES / "other-root.json").read_bytes())
    chain = data["signedCertificateEmbeddedSct"]["chain"]["certificates"]
    theirs = other["certificateAuthorities"][0]["certChain"]["certificates"][0]["rawBytes"]
    chain[1:] = [f"-----BEGIN CERTIFICATE-----\n{theirs}\n-----END CERTIFICATE-----\n"]
    services.answers[CERTIFICATE] = (200, json.dumps(data).encode())
    assert refusal(services.url, monkeypatch) == (
        f"the certificate authority '{services.url}': SCT verify failed: keyring: invalid signature"
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, b"oops"), "answered 500 internal server error"),
        ((400, b'{"message": "invalid signature"}'), "answered 400 bad request: invalid signature"),
        ((200, b"<html>"), "answers with something else than JSON"),
        (None, "hasn't answered in 0.2 seconds"),
    ],
)
@pytest.mark.usefixtures("in_time")
def test_the_log(
    services: Services, monkeypatch: pytest.MonkeyPatch, answer: Answer | None, said: str
) -> None:
    monkeypatch.setattr(keyless, "LONGEST", keyless.LONGEST)  # so that it is restored
    services.impatient = answer is None
    services.answers[ENTRY] = answer
    place = f"the transparency log '{services.url}/api/v2'"
    assert refusal(services.url, monkeypatch) == f"{place} {said}"


@pytest.mark.usefixtures("in_time")
def test_nobody_says_when(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library only warns of an authority that fails, and goes on to the log."""
    entry = json.loads((CASES / "signed.json").read_bytes())["verificationMaterial"]["tlogEntries"][0]
    services.answers |= {STAMP: (503, b""), ENTRY: (201, json.dumps(entry).encode())}
    assert refusal(services.url, monkeypatch) == (
        f"nothing says when it was signed; the timestamp authority '{services.url}/': error while sending "
        f"the request to the tsa: 503 server error: service unavailable for url: {services.url}/"
    )


def test_a_certificate_that_ran_out_meanwhile(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    at(2027, monkeypatch)
    said = "the certificate ran out before all was signed; run it again"
    assert refusal(services.url, monkeypatch) == said


def test_a_certificate_of_the_service_that_nobody_knows(
    services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, server = authority_and_server()
    (tmp_path / "server.pem").write_bytes(server)
    (tmp_path / "own.pem").write_bytes(authority)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem")
    services.answers[CERTIFICATE] = (500, b"")
    with serving(services, context):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")  # so that it is restored
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        assert refusal(services.url, monkeypatch) == (
            f"the certificate authority '{services.url}' has a certificate that isn't trusted; "
            "name its authority's file by SSL_CERT_FILE"
        )
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
        need_library()
        assert refusal(services.url, monkeypatch).endswith(" answered 500 internal server error")


def test_what_doesn_t_verify_is_not_published(tmp_path: Path, services: Services) -> None:
    """The log that the signing config names isn't the one that the root trusts."""
    root, other = (
        json.loads((CASES / name).read_bytes()) for name in ("trusted-root.json", "other-root.json")
    )
    (tmp_path / "root.json").write_text(json.dumps({**root, "tlogs": other["tlogs"]}))
    bundle = Bundle.from_json((CASES / "signed.json").read_bytes())
    signing = Keyless(
        token(), Instance(root=read_root(tmp_path / "root.json"), services=config(services.url))
    )
    with pytest.raises(RefusedError) as caught:
        asyncio.run(signing.signed(Replayed(bundle), STATEMENT))  # type: ignore[arg-type]
    assert str(caught.value).startswith("what 'ada@example.test' (issuer 'http://127.0.0.1:")
    assert str(caught.value).endswith(
        "') signed doesn't verify: invalid log entry: checkpoint: invalid signature: keyring: invalid "
        "signature; do the trusted root and the signing config belong together?"
    )
