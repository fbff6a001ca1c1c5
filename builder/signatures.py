"""`temper verify-signature`: whether an image is signed by a key or an identity, and what that attests."""

import asyncio
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from builder.errors import InputError
from builder.image.config import INDEX, MANIFEST
from builder.image.documents import Index, parse
from builder.registry.attach import Attached, attached
from builder.registry.client import Registry
from builder.registry.credentials import find_credentials
from builder.registry.name import Reference
from builder.registry.push import reaching
from builder.signing import bundles, cosign
from builder.signing.verifying import DistrustError, Verifier

KINDS = (INDEX, MANIFEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A manifest, and what is said of it."""

    what: str
    """`index`, or the platform."""
    digest: str
    signed: bool
    others: int
    """Signatures that are not theirs, or not of this image."""
    attested: tuple[str, ...]
    """Predicate types of the statements that are signed."""
    refused: tuple[str, ...]
    """Why bundles count for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    reference: Reference
    who: str
    rows: tuple[Row, ...]

    @property
    def signed(self) -> bool:
        return all(row.signed for row in self.rows)


def verify(reference: Reference, verifier: Verifier) -> Verified:
    """Raises `InputError` for a name that is wrong, `NetworkError`, `ArchiveError`."""
    return asyncio.run(_verify(reference, verifier))


async def _verify(reference: Reference, verifier: Verifier) -> Verified:
    credentials = find_credentials(reference.host)
    async with reaching(reference, credentials, f"verifying '{reference}'") as registry:
        data = await registry.manifest(reference.tag, KINDS)
        if data is None:
            raise InputError(f"'{reference}': the registry has no such tag")
        rows = [await _row(registry, name, digest, verifier) for name, digest in _named(data, reference)]
    return Verified(reference=reference, who=verifier.who, rows=tuple(rows))


def _named(data: bytes, reference: Reference) -> list[tuple[str, str]]:
    """The manifest itself, and of an index its images."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    index = parse(Index, data, f"'{reference}'") if b'"manifests"' in data else None
    if index is None:
        return [("image", digest)]
    return [("index", digest), *((str(one.platform or "image"), one.digest) for one in index.manifests)]


async def _row(registry: Registry, what: str, digest: str, verifier: Verifier) -> Row:
    """Signatures lie under tags and in bundles; either is enough."""
    signatures = await attached(registry, cosign.tag(digest, cosign.SIGNATURES), cosign.PAYLOAD)
    payloads, silent = _said(signatures, verifier)
    good = [one for one in payloads if cosign.signed_digest(one) == digest]
    envelopes = await attached(registry, cosign.tag(digest, cosign.ATTESTATIONS), cosign.ENVELOPE)
    stated, _ = _said(envelopes, verifier)
    opened, refused = _opened(await bundles.there(registry, digest), digest, verifier)
    kinds = _kinds([*stated, *opened], digest)
    strange = sum(kind in ("", bundles.SIGNED) for kind, _ in refused)
    return Row(
        what=what,
        digest=digest,
        signed=bool(good) or bundles.SIGNED in _kinds(opened, digest),
        others=len(signatures) - len(good) + strange,
        attested=tuple(sorted(kinds - {bundles.SIGNED})),
        refused=tuple(sorted({*silent, *(reason for _, reason in refused)})),
    )


def _said(found: Iterable[Attached], verifier: Verifier) -> tuple[list[bytes], list[str]]:
    """What they say under a tag, and why some can't be told to be theirs."""
    good, refused = [], []
    for one in found:
        try:
            text = verifier.said(one)
        except DistrustError as problem:
            refused.append(str(problem))
            continue
        if text is not None:
            good.append(text)
    return good, refused


def _opened(
    found: Iterable[bytes], digest: str, verifier: Verifier
) -> tuple[list[bytes], list[tuple[str, str]]]:
    """The statements that are theirs, and of the other bundles what they claim and why they don't count."""
    good, refused = [], []
    for bundle in found:
        try:
            statement = verifier.opened(bundle)
            if not _kinds([statement], digest):
                raise DistrustError("is of another image")
            good.append(statement)
        except DistrustError as problem:
            refused.append((bundles.claimed(bundle), str(problem)))
    return good, refused


def _kinds(statements: Iterable[bytes], digest: str) -> set[str]:
    """The predicate types of those that are about an image."""
    return {kind for one in statements if (kind := _kind(one, digest)) is not None}


def _kind(statement: bytes, digest: str) -> str | None:
    try:
        found = json.loads(statement)
    except ValueError:
        return None
    about = isinstance(found, dict) and digest in cosign.subject_digests(found)
    return str(found.get("predicateType")) if about else None


def as_data(verified: Verified) -> dict[str, Any]:
    rows = [
        {
            "what": row.what,
            "digest": row.digest,
            "signed": row.signed,
            "other-signatures": row.others,
            "attested": list(row.attested),
            "refused": list(row.refused),
        }
        for row in verified.rows
    ]
    return {"reference": str(verified.reference), "signed": verified.signed, "manifests": rows}


def as_text(verified: Verified) -> str:
    lines = [str(verified.reference)]
    for row in verified.rows:
        said = "signed" if row.signed else f"NOT SIGNED by {verified.who}"
        others = f"; signatures by others: {row.others}" if row.others else ""
        lines.append(f"  {row.what:<12} {row.digest}  {said}{others}")
        lines += [f"  {'':<12} attested: {kind}" for kind in row.attested]
        lines += [f"  {'':<12} refused: {reason}" for reason in row.refused if not row.signed]
    return "\n".join(lines)
