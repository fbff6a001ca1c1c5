"""Key pairs: ECDSA on P-256, the private one in encrypted PKCS #8 PEM. All cryptography is the libraries'."""

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, Signature, SSlibKey

from builder.errors import InputError

COSIGN = b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"
"""cosign's own way of encrypting; its public keys are like everybody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    private: bytes = field(repr=False)
    """PEM, encrypted."""
    public: bytes
    """PEM."""


def make_pair(passphrase: str) -> KeyPair:
    """Raises `InputError` for an empty passphrase: a key that lies about openly signs for everybody."""
    if not passphrase:
        raise InputError("the passphrase is empty; a private key is never written without one")
    key = ec.generate_private_key(ec.SECP256R1())
    encryption = BestAvailableEncryption(passphrase.encode())
    return KeyPair(
        private=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption),
        public=key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


class SigningKey:
    def __init__(self, path: Path, passphrase: str) -> None:
        """Raises `InputError` for a file that is no such key, and for a wrong passphrase."""
        text = _read(path)
        if text.lstrip().startswith(COSIGN):
            raise InputError(
                f"'{path}': is encrypted in cosign's own way; make a key by `temper key` instead"
            )
        try:
            key = load_pem_private_key(text, passphrase.encode() if passphrase else None)
        except TypeError:
            wants = "is encrypted, and no passphrase was given" if not passphrase else "is not encrypted"
            advice = "set TEMPER_PASSPHRASE" if not passphrase else "encrypt it, or make one by `temper key`"
            raise InputError(f"'{path}': {wants}; {advice}") from None
        except ValueError:
            reason = "the passphrase is wrong" if b"ENCRYPTED" in text else "is no private key in PEM"
            raise InputError(f"'{path}': {reason}") from None
        except UnsupportedAlgorithm:
            raise InputError(
                f"'{path}': is of a kind that isn't supported; make one by `temper key`"
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise InputError(f"'{path}': is no ECDSA key on P-256; make one by `temper key`")
        self.signer = CryptoSigner(key)

    def sign(self, data: bytes) -> bytes:
        """DER."""
        return bytes.fromhex(self.signer.sign(data).signature)

    @property
    def public(self) -> "VerifyingKey":
        return VerifyingKey(self.signer.public_key)


class VerifyingKey:
    def __init__(self, key: SSlibKey) -> None:
        self.key = key

    @staticmethod
    def read(path: Path) -> "VerifyingKey":
        """Raises `InputError`."""
        text = _read(path)
        try:
            key = load_pem_public_key(text)
        except (ValueError, UnsupportedAlgorithm):
            raise InputError(
                f"'{path}': is no public key in PEM; give the one that `temper key` wrote"
            ) from None
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise InputError(f"'{path}': is no ECDSA key on P-256")
        return VerifyingKey(SSlibKey.from_crypto(key))

    @property
    def hint(self) -> str:
        """How cosign names a key in a bundle: base64 of the SHA-256 over its DER form. It proves nothing."""
        public = load_pem_public_key(self.key.keyval["public"].encode())
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(der).digest()).decode()

    def has_signed(self, data: bytes, signature: bytes) -> bool:
        try:
            self.key.verify_signature(Signature(self.key.keyid, signature.hex()), data)
        except UnverifiedSignatureError:
            return False
        return True


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"'{path}': can't be read: {str(error.strerror).lower()}") from None
