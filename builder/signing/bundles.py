"""Sigstore bundles: what cosign 3 writes and reads, a signature and all that proves it in one JSON document.

Each is an artifact that refers to the image (OCI 1.1).
Source: sigstore/protobuf-specs, sigstore_bundle.proto; sigstore/cosign, specs/BUNDLE_SPEC.md.
"""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from builder.errors import ArchiveError
from builder.image.config import MANIFEST, compact
from builder.registry.client import Registry
from builder.registry.pull import referring
from builder.registry.push import EMPTY, EMPTY_TYPE, Document, Pushing
from builder.registry.upload import Blob
from builder.signing import cosign
from builder.signing.keys import VerifyingKey

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGNED = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type of a statement that says nothing but: this image is signed."""


def signed_statement(subject: str, digest: str) -> bytes:
    """What a bundle's signature of an image is over; classic ones are over `cosign.payload`."""
    return cosign.statement(subject, digest, SIGNED, {})


def of_key(envelope: bytes, key: VerifyingKey) -> bytes:
    """The bundle of an envelope that a key has signed: nobody vouches for the key or for the time.

    The envelope's name for the key is left out: cosign tries a key only where it has the same name for it.
    """
    found = json.loads(envelope)
    signatures = [{"sig": one["sig"]} for one in found["signatures"]]
    data = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": key.hint}},
        "dsseEnvelope": {**found, "signatures": signatures},
    }
    return compact(data)


def envelope_of(bundle: bytes) -> bytes:
    """The DSSE envelope. Raises `ArchiveError` where there is none."""
    try:
        found = json.loads(bundle)
        envelope = found["dsseEnvelope"]
        media_type = found["mediaType"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ArchiveError("is no Sigstore bundle with a DSSE envelope") from None
    if media_type != BUNDLE or not isinstance(envelope, dict):
        raise ArchiveError(f"is no Sigstore bundle of the form '{BUNDLE}'")
    return compact(envelope)


def claimed(bundle: bytes) -> str:
    """The predicate type that stands in a bundle, whoever signed it; empty where it can't be read."""
    try:
        payload = base64.b64decode(json.loads(envelope_of(bundle))["payload"], validate=True)
        kind = json.loads(payload)["predicateType"]
    except (ArchiveError, ValueError, KeyError, TypeError, RecursionError):
        return ""
    return kind if isinstance(kind, str) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundled:
    """A statement, and the bundle that was made of it."""

    statement: bytes
    bundle: bytes


async def there(registry: Registry, digest: str) -> tuple[bytes, ...]:
    """The bundles that refer to an image, whoever made them."""
    return await referring(registry, digest, BUNDLE)


async def attach(pushing: Pushing, subject: Document, made: Bundled) -> None:
    """A further referrer of the image; those of others stay."""
    blob = Blob.of(made.bundle)
    document = referrer(blob, json.loads(made.statement)["predicateType"], subject)
    for one in (EMPTY, blob):
        await pushing.blob(one)
    await pushing.refer(document, document.digest, BUNDLE, subject)


def referrer(blob: Blob, predicate_type: str, subject: Document) -> Document:
    """The manifest by which a bundle refers to an image. Its time is the signature's, not the image's."""
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": BUNDLE,
        "config": {"mediaType": EMPTY_TYPE, "digest": EMPTY.digest, "size": EMPTY.size},
        "layers": [{"mediaType": BUNDLE, "digest": blob.digest, "size": blob.size}],
        "subject": subject.descriptor,
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": predicate_type,
            "org.opencontainers.image.created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    }
    return Document(media_type=MANIFEST, data=compact(manifest))
