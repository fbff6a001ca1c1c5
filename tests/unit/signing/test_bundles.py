"""Sigstore bundles: how one is made of an envelope, and what strangers put in their place."""

import base64
import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import ArchiveError
from builder.signing import bundles, cosign
from builder.signing.files import write_pair
from builder.signing.keys import SigningKey

DIGEST = f"sha256:{'ab' * 32}"
STATEMENT = bundles.signed_statement("registry.example/app", DIGEST)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    private, _ = write_pair(tmp_path_factory.mktemp("keys") / "team", "x")
    return SigningKey(private, "x")


def test_a_signature_says_nothing_but_which_image() -> None:
    assert json.loads(STATEMENT) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "registry.example/app", "digest": {"sha256": "ab" * 32}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    }


def test_a_bundle_names_no_key_in_its_envelope(key: SigningKey) -> None:
    bundle = json.loads(bundles.of_key(cosign.enveloped(STATEMENT, key), key.public))
    assert bundle["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert bundle["verificationMaterial"] == {"publicKey": {"hint": key.public.hint}}
    assert bundle["dsseEnvelope"]["payload"] == base64.b64encode(STATEMENT).decode()
    assert [set(one) for one in bundle["dsseEnvelope"]["signatures"]] == [{"sig"}]


def test_a_hint_is_that_of_the_der_form(tmp_path: Path) -> None:
    private, public = write_pair(tmp_path / "team", "x")
    command = ["openssl", "pkey", "-pubin", "-in", public, "-outform", "DER"]
    der = subprocess.run(command, capture_output=True, check=True).stdout
    assert SigningKey(private, "x").public.hint == base64.b64encode(hashlib.sha256(der).digest()).decode()


def test_what_went_in_comes_out(key: SigningKey) -> None:
    bundle = bundles.of_key(cosign.enveloped(STATEMENT, key), key.public)
    assert cosign.opened(bundles.envelope_of(bundle), key.public) == STATEMENT
    assert bundles.claimed(bundle) == bundles.SIGNED


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is no Sigstore bundle with a DSSE envelope"),
        (b"[" * 100_000, "is no Sigstore bundle with a DSSE envelope"),
        (b"[1]", "is no Sigstore bundle with a DSSE envelope"),
        (b'{"mediaType": "x"}', "is no Sigstore bundle with a DSSE envelope"),
        (b'{"mediaType": "x", "dsseEnvelope": {}}', f"is no Sigstore bundle of the form '{bundles.BUNDLE}'"),
        (
            json.dumps({"mediaType": bundles.BUNDLE, "dsseEnvelope": 1}).encode(),
            f"is no Sigstore bundle of the form '{bundles.BUNDLE}'",
        ),
    ],
)
def test_what_is_no_bundle(data: bytes, problem: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        bundles.envelope_of(data)
    assert str(caught.value) == problem
    assert bundles.claimed(data) == ""


@given(
    st.recursive(
        st.none() | st.text(max_size=5), lambda some: st.lists(some) | st.dictionaries(st.text(), some)
    )
)
def test_whatever_a_payload_holds_nothing_is_claimed(payload: object) -> None:
    text = base64.b64encode(json.dumps(payload).encode()).decode()
    bundle = {"mediaType": bundles.BUNDLE, "dsseEnvelope": {"payload": text}}
    assert bundles.claimed(json.dumps(bundle).encode()) == ""
