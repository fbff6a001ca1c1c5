"""Signatures without keys of one's own: a certificate says who signed, and a log or an authority says when.

All of it is checked by the library `sigstore`: chain, certificate transparency, time, log entry, signature.
"""

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from builder.errors import InputError
from builder.registry.attach import Attached
from builder.signing.cosign import STATEMENT_TYPE
from builder.signing.verifying import DistrustError, plain

if TYPE_CHECKING:
    from sigstore.models import TrustedRoot

ISSUER, OLD_ISSUER = (x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}") for number in (8, 1))
"""Who vouched for the name: as a DER string; bare, as older certificates have it (fulcio, oid-info.md)."""
CERTIFICATE = "dev.sigstore.cosign/certificate"
"""Annotation of a signature under a tag that was made without a key."""
USER_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7")


@dataclass(frozen=True, slots=True)
class Identity:
    name: str
    """An e-mail address, or the URI of a workflow or service."""
    issuer: str
    """The URL of the identity provider."""

    def __str__(self) -> str:
        return f"'{self.name}' (issuer '{self.issuer}')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Who has to have signed. An issuer belongs to it: anybody may run one that knows any name."""

    issuer: str
    name: str = ""
    pattern: re.Pattern[str] | None = None
    """For names that change, such as those of workflows at a tag; it must match all of the name."""

    def fits(self, found: Identity) -> bool:
        if self.issuer != found.issuer:
            return False
        return bool(self.pattern.fullmatch(found.name)) if self.pattern else self.name == found.name


def wanted(name: str | None, pattern: str | None, issuer: str | None) -> Wanted:
    """Raises `InputError` for what is missing or doesn't go together."""
    if name and pattern:
        raise InputError("--identity: names one, and --identity-regexp many; give one of them")
    if not name and not pattern:
        raise InputError("who has to have signed isn't said; give --key, or --identity and --issuer")
    if not issuer:
        raise InputError(
            "--identity: says nothing alone, since anybody may run an identity provider that knows any name; "
            "give its URL by --issuer"
        )
    try:
        return Wanted(issuer=issuer, name=name or "", pattern=re.compile(pattern) if pattern else None)
    except re.error as error:
        raise InputError(f"--identity-regexp: '{pattern}' is no regular expression: {error}") from None


class ByIdentity:
    who = "this identity"

    def __init__(self, wanted: Wanted | None, root: "TrustedRoot") -> None:
        """With `None` whoever it was. Raises `InputError` for a root without a log."""
        from sigstore.errors import Error  # noqa: PLC0415 - slow
        from sigstore.verify import Verifier  # noqa: PLC0415 - slow

        self._wanted = wanted
        try:
            self._verifier = Verifier(trusted_root=root)
        except Error as error:
            raise InputError(f"the trusted root can't be used: {plain(error)}") from None

    def said(self, one: Attached) -> bytes | None:
        """Nothing: cosign 2 kept no proof beside them that the log holds an entry."""
        if CERTIFICATE in dict(one.annotations):
            raise DistrustError("lies under a tag, as cosign 2 has it; only bundles are verified")
        return None

    def opened(self, bundle: bytes) -> bytes:
        return self.known(bundle)[1]

    def known(self, bundle: bytes) -> tuple[Identity, bytes]:
        """Who said it, and the statement. Nothing is asked of the network. Raises `DistrustError`."""
        from sigstore.models import Bundle  # noqa: PLC0415

        try:
            if "publicKey" in json.loads(bundle)["verificationMaterial"]:
                raise DistrustError("is signed by a key, not by an identity")
            found = Bundle.from_json(bundle)
            kind, statement = self._verifier.verify_dsse(found, _Policy(self._wanted))
            if kind != STATEMENT_TYPE:
                raise DistrustError(f"is about something else than a statement: '{kind}'")
            return identity_of(found.signing_certificate), statement
        except DistrustError:
            raise
        except Exception as error:  # strangers wrote it, and the library trips over some of it
            raise DistrustError(_told(error)) from None


class _Policy:
    """What the library asks about a certificate."""

    def __init__(self, wanted: Wanted | None) -> None:
        self._wanted = wanted

    def verify(self, cert: x509.Certificate) -> None:
        found = identity_of(cert)
        if self._wanted is not None and not self._wanted.fits(found):
            raise DistrustError(f"is signed by {found}")


def identity_of(certificate: x509.Certificate) -> Identity:
    """Raises `DistrustError` for a certificate that doesn't name exactly one."""
    extensions = certificate.extensions
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise DistrustError("has a certificate of nobody") from None
    found = [_text(name) for name in names]
    if len(found) != 1:
        raise DistrustError("has a certificate of several names")
    return Identity(found[0], _issuer(extensions))


def _text(name: x509.GeneralName) -> str:
    if isinstance(name, x509.OtherName) and name.type_id == USER_NAME:
        return name.value.decode()
    return str(name.value)


def _issuer(extensions: x509.Extensions) -> str:
    """Empty where none is named, which nobody asks for."""
    from cryptography.hazmat import asn1  # noqa: PLC0415 - of a release that the library asks for

    found: dict[x509.ObjectIdentifier, bytes] = {
        one.oid: one.value.public_bytes() for one in extensions if one.oid in (ISSUER, OLD_ISSUER)
    }
    if ISSUER in found:
        return str(asn1.decode_der(str, found[ISSUER]))
    return found.get(OLD_ISSUER, b"").decode()


def _told(error: Exception) -> str:
    if str(error).startswith("failed to load bundle"):
        return "is no Sigstore bundle of a known form"
    return plain(error)
