"""What cosign calls a signature and an attestation: bytes, media types, and the tags they lie under.

Source: sigstore/cosign, specs/SIGNATURE_SPEC.md and ATTESTATION_SPEC.md; DSSE 1.0; in-toto Statement v1.
"""

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from builder.errors import ArchiveError
from builder.image.config import compact
from builder.supply.provenance import STATEMENT

if TYPE_CHECKING:
    from builder.signing.keys import SigningKey, VerifyingKey

PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
"""Annotation of a layer: base64 of what was signed over its bytes."""
PREDICATE = "predicateType"
STATEMENT_TYPE = "application/vnd.in-toto+json"
SIGNATURES, ATTESTATIONS = "sig", "att"
KIND = "cosign container image signature"


def tag(digest: str, ending: str) -> str:
    """`sha256:12ab` -> `sha256-12ab.sig`"""
    return f"{digest.replace(':', '-')}.{ending}"


def payload(repository: str, digest: str) -> bytes:
    """What is signed for an image: its digest, and what it was called."""
    image = {"docker-manifest-digest": digest}
    critical = {"identity": {"docker-reference": repository}, "image": image, "type": KIND}
    return compact({"critical": critical, "optional": None})


def signed_digest(data: bytes) -> str:
    """The image that a payload speaks of; empty where it is none."""
    try:
        critical = json.loads(data)["critical"]
        found = critical["image"]["docker-manifest-digest"] if critical["type"] == KIND else ""
    except (ValueError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


def statement(subject: str, digest: str, predicate_type: str, predicate: Any) -> bytes:
    """An in-toto statement about the image `subject`."""
    named = {"name": subject, "digest": {"sha256": digest.removeprefix("sha256:")}}
    data = {"_type": STATEMENT, "subject": [named], "predicateType": predicate_type, "predicate": predicate}
    return compact(data)


def enveloped(statement: bytes, key: "SigningKey") -> bytes:
    """Signed by DSSE. The signature differs each time, what it is over doesn't."""
    from securesystemslib.dsse import Envelope  # noqa: PLC0415 - who doesn't sign doesn't need it

    envelope = Envelope(statement, STATEMENT_TYPE, {})
    envelope.sign(key.signer)
    return compact(envelope.to_dict())


def opened(data: bytes, key: "VerifyingKey") -> bytes | None:
    """The statement, where the key has signed it. Raises `ArchiveError` for what is no envelope.

    Whatever key the envelope names: cosign names none, and a name proves nothing.
    """
    from securesystemslib.dsse import Envelope  # noqa: PLC0415 - who doesn't sign doesn't need it

    try:
        found = json.loads(data)
        rows = found["signatures"]
        envelope = Envelope(base64.b64decode(found["payload"], validate=True), found["payloadType"], {})
        signatures = [base64.b64decode(row["sig"], validate=True) for row in rows]
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise ArchiveError("is no DSSE envelope") from None
    if envelope.payload_type != STATEMENT_TYPE:
        return None
    signed = any(key.has_signed(envelope.pae(), signature) for signature in signatures)
    return envelope.payload if signed else None


def subject_digests(statement: dict[str, Any]) -> set[str]:
    rows = statement.get("subject")
    return {
        f"sha256:{row['digest']['sha256']}"
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict) and isinstance(row.get("digest"), dict) and "sha256" in row["digest"]
    }
