"""Signs what is published: every manifest, and what is stated about it. Signatures of others stay."""

import base64
import binascii
import json

from builder.errors import ArchiveError
from builder.registry.attach import Attached, attached, manifest_of
from builder.registry.push import Document, Pushing
from builder.signing import cosign
from builder.signing.keys import SigningKey, VerifyingKey

KINDS = {
    cosign.SIGNATURES: "application/vnd.dev.cosign.artifact.sig.v1+json",
    cosign.ATTESTATIONS: "application/vnd.dev.cosign.artifact.att.v1+json",
}
"""How they are listed among an image's referrers."""


class Sealing:
    def __init__(self, key: SigningKey) -> None:
        self._key = key

    async def seal(self, pushing: Pushing, subject: Document, statements: tuple[bytes, ...]) -> None:
        reference = pushing.registry.reference
        payload = cosign.payload(f"{reference.host}/{reference.repository}", subject.digest)
        await self._add(pushing, subject, cosign.SIGNATURES, [self._signed(payload)])
        if statements:
            await self._add(
                pushing, subject, cosign.ATTESTATIONS, [self._attested(one) for one in statements]
            )

    def _signed(self, payload: bytes) -> Attached:
        signature = base64.b64encode(self._key.sign(payload)).decode()
        return Attached(media_type=cosign.PAYLOAD, data=payload, annotations=((cosign.SIGNATURE, signature),))

    def _attested(self, statement: bytes) -> Attached:
        kind = json.loads(statement)["predicateType"]
        return Attached(
            media_type=cosign.ENVELOPE,
            data=cosign.enveloped(statement, self._key),
            annotations=((cosign.PREDICATE, kind), (cosign.SIGNATURE, "")),
        )

    async def _add(self, pushing: Pushing, subject: Document, ending: str, fresh: list[Attached]) -> None:
        """What this key has said before is not said again: signatures differ each time."""
        tag = cosign.tag(subject.digest, ending)
        there = await attached(pushing.registry, tag, fresh[0].media_type)
        said = {self._meaning(one) for one in there}
        new = [one for one in fresh if self._meaning(one) not in said]
        if not new:
            return
        layers = (*there, *new)
        config, document = manifest_of(layers, KINDS[ending], subject)
        for blob in (config, *(one.blob for one in new)):
            await pushing.blob(blob)
        await pushing.refer(document, tag, KINDS[ending], subject)

    def _meaning(self, one: Attached) -> bytes | None:
        """What this key says by it; `None` for what others say."""
        return meaning(one, self._key.public)


def meaning(one: Attached, key: VerifyingKey) -> bytes | None:
    """The payload or statement, where the key has signed it."""
    if one.media_type == cosign.ENVELOPE:
        try:
            return cosign.opened(one.data, key)
        except ArchiveError:
            return None
    try:
        signature = base64.b64decode(dict(one.annotations).get(cosign.SIGNATURE, ""), validate=True)
    except binascii.Error:
        return None
    return one.data if key.has_signed(one.data, signature) else None
