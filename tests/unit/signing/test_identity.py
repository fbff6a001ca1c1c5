"""Signatures without keys, as real programs made them: `python -m tests.record_keyless` asked for them."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sigstore.verify

from builder.errors import InputError
from builder.registry.attach import Attached
from builder.signing import cosign
from builder.signing.identity import ByIdentity, Identity, Wanted, wanted
from builder.signing.trust import read_root
from builder.signing.verifying import DistrustError
from tests.record_keyless import CASES, REPORT, STATEMENT

ADA = "ada@example.test"
ALONE = (
    "--identity: says nothing alone, since anybody may run an identity provider that knows any name; "
    "give its URL by --issuer"
)
NO_EXPRESSION = "--identity-regexp: '(' is no regular expression"


def recorded(name: str) -> bytes:
    return (CASES / f"{name}.json").read_bytes()


@pytest.fixture(scope="module")
def anybody() -> ByIdentity:
    return ByIdentity(None, read_root(CASES / "trusted-root.json"))


@pytest.fixture(scope="module")
def issuer(anybody: ByIdentity) -> str:
    who, _ = anybody.known(recorded("signed"))
    return who.issuer


def judge(issuer: str, name: str = ADA, **values: Any) -> ByIdentity:
    return ByIdentity(Wanted(issuer=issuer, name=name, **values), read_root(CASES / "trusted-root.json"))


@pytest.mark.parametrize(
    ("name", "statement"), [("signed", STATEMENT), ("report", REPORT), ("cosign", STATEMENT)]
)
def test_who_signed_it_and_what(anybody: ByIdentity, issuer: str, name: str, statement: bytes) -> None:
    """cosign's too, and long after the certificates have run out."""
    assert issuer.startswith("http://127.0.0.1:")
    assert anybody.known(recorded(name)) == (Identity(ADA, issuer), statement)
    assert judge(issuer).opened(recorded(name)) == statement


def refusal(judge: ByIdentity, bundle: bytes) -> str:
    with pytest.raises(DistrustError) as caught:
        judge.opened(bundle)
    return str(caught.value)


def test_another_identity(issuer: str) -> None:
    said = f"is signed by 'mallory@example.test' (issuer '{issuer}')"
    assert refusal(judge(issuer), recorded("mallory")) == said


def test_another_issuer(issuer: str) -> None:
    said = f"is signed by '{ADA}' (issuer '{issuer}')"
    assert refusal(judge("https://accounts.example.test"), recorded("signed")) == said


def test_an_identity_that_is_a_part(issuer: str) -> None:
    said = f"is signed by '{ADA}' (issuer '{issuer}')"
    assert refusal(judge(issuer, "ada@example"), recorded("signed")) == said
    assert refusal(judge(issuer, ""), recorded("signed")) == said


@pytest.mark.parametrize(
    ("pattern", "fits"), [(r".*@example\.test", True), ("ada", False), ("[a-z]+@example", False)]
)
def test_an_expression_has_to_match_all_of_it(issuer: str, pattern: str, fits: bool) -> None:
    found = wanted(None, pattern, issuer)
    assert found.fits(Identity(ADA, issuer)) is fits
    assert not found.fits(Identity(ADA, "https://accounts.example.test"))


def test_another_sigstore(issuer: str) -> None:
    other = ByIdentity(Wanted(issuer=issuer, name=ADA), read_root(CASES / "other-root.json"))
    assert refusal(other, recorded("signed")) == "not enough sources of verified time"


def test_another_authority(issuer: str, tmp_path: Path) -> None:
    """The log and the time are those that are trusted; who gave the certificate is not."""
    root, other = (json.loads(recorded(name)) for name in ("trusted-root", "other-root"))
    mixed = {**root, "certificateAuthorities": other["certificateAuthorities"]}
    (tmp_path / "root.json").write_text(json.dumps(mixed))
    judge = ByIdentity(Wanted(issuer=issuer, name=ADA), read_root(tmp_path / "root.json"))
    said = refusal(judge, recorded("signed"))
    assert said.startswith("failed to build timestamp certificate chain: ")


def test_another_log_of_certificates(issuer: str, tmp_path: Path) -> None:
    root, other = (json.loads(recorded(name)) for name in ("trusted-root", "other-root"))
    (tmp_path / "root.json").write_text(json.dumps({**root, "ctlogs": other["ctlogs"]}))
    judge = ByIdentity(Wanted(issuer=issuer, name=ADA), read_root(tmp_path / "root.json"))
    said = "failed to verify SCT on signing certificate: SCT verify failed: keyring: invalid signature"
    assert refusal(judge, recorded("signed")) == said


def test_another_log_of_signatures(issuer: str, tmp_path: Path) -> None:
    root, other = (json.loads(recorded(name)) for name in ("trusted-root", "other-root"))
    (tmp_path / "root.json").write_text(json.dumps({**root, "tlogs": other["tlogs"]}))
    judge = ByIdentity(Wanted(issuer=issuer, name=ADA), read_root(tmp_path / "root.json"))
    said = refusal(judge, recorded("signed"))
    assert said.startswith("invalid log entry: ")


def changed(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> bytes:
    bundle = json.loads(recorded("signed"))
    change(bundle, bundle["verificationMaterial"])
    return json.dumps(bundle).encode()


def other_payload(bundle: dict[str, Any], _: dict[str, Any]) -> None:
    text = STATEMENT.replace(b"registry.example/app", b"registry.example/bad")
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(text).decode()


def other_signature(bundle: dict[str, Any], _: dict[str, Any]) -> None:
    [row] = bundle["dsseEnvelope"]["signatures"]
    data = bytearray(base64.b64decode(row["sig"]))
    data[-1] ^= 1
    row["sig"] = base64.b64encode(data).decode()


def other_entry(_: dict[str, Any], material: dict[str, Any]) -> None:
    theirs = json.loads(recorded("report"))["verificationMaterial"]
    material["tlogEntries"] = theirs["tlogEntries"]


def other_time(_: dict[str, Any], material: dict[str, Any]) -> None:
    theirs = json.loads(recorded("report"))["verificationMaterial"]
    material["timestampVerificationData"] = theirs["timestampVerificationData"]


def other_certificate(_: dict[str, Any], material: dict[str, Any]) -> None:
    """Of the same person, for another key."""
    theirs = json.loads(recorded("report"))["verificationMaterial"]
    material["certificate"] = theirs["certificate"]


def by_a_key(_: dict[str, Any], material: dict[str, Any]) -> None:
    del material["certificate"]
    material["publicKey"] = {"hint": "x"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_payload, "DSSE: invalid signature"),
        (other_signature, "not enough sources of verified time"),
        (other_time, "not enough sources of verified time"),
        (other_certificate, "DSSE: invalid signature"),
        (other_entry, "transparency log entry is inconsistent with other materials"),
        (lambda _, material: material.update(tlogEntries=[]), "expected exactly one log entry in bundle"),
        (
            lambda _, material: material.pop("timestampVerificationData"),
            "bundle must contain an inclusion promise or signed timestamp(s)",
        ),
        (
            lambda _, material: material["tlogEntries"][0].pop("inclusionProof"),
            "is no Sigstore bundle of a known form",
        ),
        (by_a_key, "is signed by a key, not by an identity"),
        (lambda bundle, _: bundle.update(mediaType="x"), "is no Sigstore bundle of a known form"),
    ],
)
def test_what_was_changed(issuer: str, change: Callable[..., object], said: str) -> None:
    assert refusal(judge(issuer), changed(change)).lower() == said.lower()


def test_what_is_no_statement(issuer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sigstore.verify.Verifier, "verify_dsse", lambda *_: ("text/plain", STATEMENT))
    said = "is about something else than a statement: 'text/plain'"
    assert refusal(judge(issuer), recorded("signed")) == said


def test_what_cosign_2_keeps_under_tags(anybody: ByIdentity) -> None:
    def attached(**annotations: str) -> Attached:
        return Attached(media_type=cosign.PAYLOAD, data=b"", annotations=tuple(annotations.items()))

    with pytest.raises(DistrustError) as caught:
        anybody.said(attached(**{"dev.sigstore.cosign/certificate": "-----BEGIN"}))
    assert str(caught.value) == "lies under a tag, as cosign 2 has it; only bundles are verified"
    assert anybody.said(attached(**{cosign.SIGNATURE: "by a key"})) is None


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"verificationMaterial": 1}', b"[" * 100_000])
def test_what_is_no_bundle(anybody: ByIdentity, data: bytes) -> None:
    assert refusal(anybody, data) != ""


@pytest.mark.parametrize(
    ("name", "pattern", "issuer", "said"),
    [
        (None, None, None, "who has to have signed isn't said; give --key, or --identity and --issuer"),
        (ADA, ".*", "u", "--identity: names one, and --identity-regexp many; give one of them"),
        (
            ADA,
            None,
            None,
            ALONE,
        ),
        (
            None,
            "(",
            "u",
            f"{NO_EXPRESSION}: missing ), unterminated subpattern at position 0",
        ),
    ],
)
def test_who_is_meant(name: str | None, pattern: str | None, issuer: str | None, said: str) -> None:
    with pytest.raises(InputError) as caught:
        wanted(name, pattern, issuer)
    assert str(caught.value) == said
