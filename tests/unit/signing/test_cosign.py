"""Payloads and envelopes, in cosign's form."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import ArchiveError
from builder.signing import cosign
from builder.signing.files import write_pair
from builder.signing.keys import SigningKey

DIGEST = f"sha256:{'ab' * 32}"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    private, _ = write_pair(tmp_path_factory.mktemp("keys") / "team", "x")
    return SigningKey(private, "x")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    private, _ = write_pair(tmp_path_factory.mktemp("keys") / "other", "x")
    return SigningKey(private, "x")


STATEMENT = cosign.statement("registry.example/app", DIGEST, "urn:test:1", {"b": 1, "a": ["\u00e9"]})


def test_a_payload_speaks_of_its_image() -> None:
    data = cosign.payload("registry.example/app", DIGEST)
    assert json.loads(data) == {
        "critical": {
            "identity": {"docker-reference": "registry.example/app"},
            "image": {"docker-manifest-digest": DIGEST},
            "type": "cosign container image signature",
        },
        "optional": None,
    }
    assert cosign.signed_digest(data) == DIGEST


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b'{"critical": {}}',
        b'{"critical": {"type": "x", "image": {"docker-manifest-digest": "d"}}}',
    ],
)
def test_what_is_no_payload_speaks_of_nothing(data: bytes) -> None:
    assert cosign.signed_digest(data) == ""


def test_tags() -> None:
    assert cosign.tag("sha256:12ab", cosign.SIGNATURES) == "sha256-12ab.sig"
    assert cosign.tag("sha256:12ab", cosign.ATTESTATIONS) == "sha256-12ab.att"


def test_an_envelope_is_opened_by_who_has_signed_it(key: SigningKey, other: SigningKey) -> None:
    data = cosign.enveloped(STATEMENT, key)
    assert json.loads(data)["payloadType"] == "application/vnd.in-toto+json"
    assert cosign.opened(data, key.public) == STATEMENT
    assert cosign.opened(data, other.public) is None


def changed(data: bytes, **values: Any) -> bytes:
    return json.dumps({**json.loads(data), **values}).encode()


def test_an_envelope_that_was_changed(key: SigningKey) -> None:
    data = cosign.enveloped(STATEMENT, key)
    text = base64.b64encode(STATEMENT.replace(b"urn:test:1", b"urn:test:2")).decode()
    assert cosign.opened(changed(data, payload=text), key.public) is None
    assert cosign.opened(changed(data, payloadType="text/plain"), key.public) is None
    assert cosign.opened(changed(data, signatures=[]), key.public) is None


def test_the_name_of_a_key_proves_and_spoils_nothing(key: SigningKey, other: SigningKey) -> None:
    data = cosign.enveloped(STATEMENT, key)
    [row] = json.loads(data)["signatures"]
    nameless = changed(data, signatures=[{**row, "keyid": ""}])
    assert cosign.opened(nameless, key.public) == STATEMENT
    stolen = changed(data, signatures=[{**row, "keyid": other.public.key.keyid}])
    assert cosign.opened(stolen, other.public) is None


def test_one_signature_of_several_is_enough(key: SigningKey, other: SigningKey) -> None:
    rows = [json.loads(cosign.enveloped(STATEMENT, one))["signatures"][0] for one in (other, key)]
    both = changed(cosign.enveloped(STATEMENT, key), signatures=rows)
    assert cosign.opened(both, key.public) == STATEMENT


@given(st.one_of(st.binary(max_size=40), st.text(max_size=40).map(str.encode)))
def test_what_is_no_envelope(data: bytes) -> None:
    with pytest.raises(ArchiveError):
        cosign.opened(data, None)  # type: ignore[arg-type]  # it is never asked


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({}, set()),
        ({"subject": None}, set()),
        ({"subject": [1, {"digest": None}, {"digest": {"sha512": "x"}}]}, set()),
        (
            {"subject": [{"digest": {"sha256": "12"}}, {"digest": {"sha256": "ab"}}]},
            {"sha256:12", "sha256:ab"},
        ),
    ],
)
def test_subjects(data: dict[str, Any], found: set[str]) -> None:
    assert cosign.subject_digests(data) == found
