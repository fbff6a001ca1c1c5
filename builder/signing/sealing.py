"""Signs what is published: every manifest, and what is stated about it. Signatures of others stay."""

import base64
import binascii
import json

from builder.errors import ArchiveError
from builder.registry.attach import Attached, attached, manifest_of
from builder.registry.client import Registry
from builder.registry.push import Document, Pushing, Subjects
from builder.signing import bundles, cosign
from builder.signing.keys import SigningKey, VerifyingKey

KINDS = {
    cosign.SIGNATURES: "application/vnd.dev.cosign.artifact.sig.v1+json",
    cosign.ATTESTATIONS: "application/vnd.dev.cosign.artifact.att.v1+json",
}
"""How they are listed among an image's referrers."""


class Sealing:
    """By a key pair. Under tags, since every cosign reads these without a network; but from 2.6 on none does
    where an image has bundles, whoever made them: then the signature is also made as a bundle."""

    identity = None

    def __init__(self, key: SigningKey, *, bundled: bool = False) -> None:
        """With `bundled` as a bundle too, whatever is there."""
        self._key, self._bundled = key, bundled
        self._statements: dict[str, tuple[bytes, ...]] = {}

    async def prepare(self, registry: Registry, subjects: Subjects) -> None:  # noqa: ARG002 - nothing is asked
        self._statements = {subject.digest: statements for subject, statements in subjects}

    async def seal(self, pushing: Pushing, subject: Document) -> None:
        statements = self._statements[subject.digest]
        reference = pushing.registry.reference
        name = f"{reference.host}/{reference.repository}"
        payload = cosign.payload(name, subject.digest)
        await self._add(pushing, subject, cosign.SIGNATURES, [self._signed(payload)])
        if statements:
            await self._add(
                pushing, subject, cosign.ATTESTATIONS, [self._attested(one) for one in statements]
            )
        await self._bundle(pushing, subject, (bundles.signed_statement(name, subject.digest), *statements))

    async def _bundle(self, pushing: Pushing, subject: Document, statements: tuple[bytes, ...]) -> None:
        key = self._key.public
        there = await bundles.there(pushing.registry, subject.digest)
        if not there and not self._bundled:
            return
        said = {bundled(one, key) for one in there}
        for statement in statements:
            if statement not in said:
                bundle = bundles.of_key(cosign.enveloped(statement, self._key), key)
                await bundles.attach(pushing, subject, bundles.Bundled(statement=statement, bundle=bundle))

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


def bundled(bundle: bytes, key: VerifyingKey) -> bytes | None:
    """The statement of a bundle, where the key has signed it."""
    try:
        return cosign.opened(bundles.envelope_of(bundle), key)
    except ArchiveError:
        return None
