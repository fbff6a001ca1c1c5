"""Who may have signed: a key, or an identity. Both are asked the same of what a registry holds."""

from typing import Protocol

from builder.errors import ArchiveError
from builder.registry.attach import Attached
from builder.signing import bundles, cosign
from builder.signing.keys import VerifyingKey
from builder.signing.sealing import meaning


class DistrustError(Exception):
    """A signature that counts for nothing, and why."""


class Verifier(Protocol):
    who: str
    """In messages: `this key`."""

    def said(self, one: Attached) -> bytes | None:
        """The payload or statement of a signature under a tag, where it is theirs.

        Raises `DistrustError` where that can't be told.
        """

    def opened(self, bundle: bytes) -> bytes:
        """The statement of a bundle, which is theirs. Raises `DistrustError`."""


class ByKey:
    who = "this key"

    def __init__(self, key: VerifyingKey) -> None:
        self._key = key

    def said(self, one: Attached) -> bytes | None:
        return meaning(one, self._key)

    def opened(self, bundle: bytes) -> bytes:
        try:
            statement = cosign.opened(bundles.envelope_of(bundle), self._key)
        except ArchiveError as error:
            raise DistrustError(str(error)) from None
        if statement is None:
            raise DistrustError("is signed by another key")
        return statement


def plain(error: object) -> str:
    """What a library says, as a part of a message."""
    said = " ".join(str(error).split())[:300] or type(error).__name__
    return said if said[1:2].isupper() else said[:1].lower() + said[1:]
