"""OpenPGP: an index is believed only where one of the archive's keys has signed it."""

from pathlib import Path
from typing import Any

from builder.errors import TrustError

_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"


def verify_inrelease(
    data: bytes, keyring: tuple[Path, ...], *, name: str = "InRelease"
) -> tuple[str, tuple[str, ...]]:
    """The signed text and the fingerprints (upper-case hex, of the certificates) whose signature is good.

    One good signature is enough, as for apt: a release carries those of several generations of keys. Only
    what stands inside the signed part is returned. Raises `TrustError`; `name` begins its message.
    """
    import pysequoia  # noqa: PLC0415 - 10 ms that a build from a lock never needs

    if _BEGIN not in data:
        raise TrustError(f"{name}: is not signed; use a mirror that serves the distribution's signed index")
    certificates = _certificates(keyring)
    asked: list[str] = []

    def known(keys: list[str]) -> list[Any]:
        asked.extend(keys)
        return list(certificates)

    try:
        verified = pysequoia.verify(data, known)
        text = bytes(verified.bytes or b"").decode()
    except (RuntimeError, ValueError) as error:
        raise TrustError(f"{name}: {_reason(str(error), asked, certificates)}") from None
    signers = {str(signature.certificate).upper() for signature in verified.valid_sigs}
    if not signers:
        raise TrustError(f"{name}: {_reason('no valid signatures', asked, certificates)}")
    return text.replace("\r\n", "\n"), tuple(sorted(signers))


def _reason(error: str, asked: list[str], certificates: tuple[Any, ...]) -> str:
    """Tells a stranger's signature, a spoilt one and a damaged file apart."""
    if not asked:
        first = error.partition("\n")[0]
        return f"its signature is damaged ({first}); fetch it again or use another mirror"
    if not any(_holds(certificate, key) for certificate in certificates for key in asked):
        keys = ", ".join(key.upper() for key in sorted(asked))
        return (
            f"signed by {keys}, which is none of the archive's keys; use a mirror of the distribution, "
            "or trust a private archive's key by 'keyrings' in temper/config.yaml"
        )
    return (
        "its signature is bad: the text was changed after it was signed, or the key has expired; "
        "use another mirror"
    )


def _holds(certificate: Any, key: str) -> bool:
    """Whether a key or subkey (fingerprint, or key id as old signatures have it) belongs to a certificate."""
    from pysequoia import packet  # noqa: PLC0415 - as above

    wanted = bytes.fromhex(key)
    return str(certificate.fingerprint).endswith(key.lower()) or any(
        bytes.fromhex(part.fingerprint).endswith(wanted)
        for part in packet.PacketPile.from_bytes(bytes(certificate))
        if getattr(part, "fingerprint", None)
    )


def _certificates(keyring: tuple[Path, ...]) -> tuple[Any, ...]:
    return tuple(certificate for path in keyring for certificate in _read_keys(path))


def _read_keys(path: Path) -> tuple[Any, ...]:
    import pysequoia  # noqa: PLC0415 - as above

    try:
        return tuple(pysequoia.Cert.split_file(str(path)))
    except (RuntimeError, ValueError, OSError) as error:
        first = str(error).partition("\n")[0]
        raise TrustError(f"{path}: is not an OpenPGP keyring ({first})") from None
