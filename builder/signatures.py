"""`temper verify-signature`: whether a published image is signed by a key, and what that attests."""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import InputError
from builder.image.config import INDEX, MANIFEST
from builder.image.documents import Index, parse
from builder.registry.attach import attached
from builder.registry.client import Registry
from builder.registry.credentials import find_credentials
from builder.registry.name import Reference
from builder.registry.push import reaching
from builder.signing import cosign
from builder.signing.keys import VerifyingKey
from builder.signing.sealing import meaning

KINDS = (INDEX, MANIFEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A manifest, and what is said of it."""

    what: str
    """`index`, or the platform."""
    digest: str
    signed: bool
    others: int
    """Signatures that this key has not made, or that are not of this image."""
    attested: tuple[str, ...]
    """Predicate types of the statements that this key has signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    reference: Reference
    rows: tuple[Row, ...]

    @property
    def signed(self) -> bool:
        return all(row.signed for row in self.rows)


def verify(reference: Reference, key: Path) -> Verified:
    """Raises `InputError` for a key or name that is wrong, `NetworkError`, `ArchiveError`."""
    return asyncio.run(_verify(reference, VerifyingKey.read(key)))


async def _verify(reference: Reference, key: VerifyingKey) -> Verified:
    credentials = find_credentials(reference.host)
    async with reaching(reference, credentials, f"verifying '{reference}'") as registry:
        data = await registry.manifest(reference.tag, KINDS)
        if data is None:
            raise InputError(f"'{reference}': the registry has no such tag")
        rows = [await _row(registry, name, digest, key) for name, digest in _named(data, reference)]
    return Verified(reference=reference, rows=tuple(rows))


def _named(data: bytes, reference: Reference) -> list[tuple[str, str]]:
    """The manifest itself, and of an index its images."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    index = parse(Index, data, f"'{reference}'") if b'"manifests"' in data else None
    if index is None:
        return [("image", digest)]
    return [("index", digest), *((str(one.platform or "image"), one.digest) for one in index.manifests)]


async def _row(registry: Registry, what: str, digest: str, key: VerifyingKey) -> Row:
    signatures = await attached(registry, cosign.tag(digest, cosign.SIGNATURES), cosign.PAYLOAD)
    good = [one for one in signatures if cosign.signed_digest(meaning(one, key) or b"") == digest]
    envelopes = await attached(registry, cosign.tag(digest, cosign.ATTESTATIONS), cosign.ENVELOPE)
    found = [json.loads(text) for one in envelopes if (text := meaning(one, key)) is not None]
    kinds = {str(one.get("predicateType")) for one in found if digest in cosign.subject_digests(one)}
    return Row(
        what=what,
        digest=digest,
        signed=bool(good),
        others=len(signatures) - len(good),
        attested=tuple(sorted(kinds)),
    )


def as_data(verified: Verified) -> dict[str, Any]:
    rows = [
        {
            "what": row.what,
            "digest": row.digest,
            "signed": row.signed,
            "other-signatures": row.others,
            "attested": list(row.attested),
        }
        for row in verified.rows
    ]
    return {"reference": str(verified.reference), "signed": verified.signed, "manifests": rows}


def as_text(verified: Verified) -> str:
    lines = [str(verified.reference)]
    for row in verified.rows:
        said = "signed" if row.signed else "NOT SIGNED by this key"
        others = f"; signatures by others: {row.others}" if row.others else ""
        lines.append(f"  {row.what:<12} {row.digest}  {said}{others}")
        lines += [f"  {'':<12} attested: {kind}" for kind in row.attested]
    return "\n".join(lines)
