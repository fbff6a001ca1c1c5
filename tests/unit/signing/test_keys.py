"""Keys: made, read again, and refused where they are not what they should be."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from builder.errors import InputError
from builder.signing.files import write_pair
from builder.signing.keys import SigningKey, VerifyingKey

PASSPHRASE = "correct horse"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_pair(tmp_path_factory.mktemp("keys") / "team", PASSPHRASE)


def test_a_pair_signs_and_verifies(pair: tuple[Path, Path]) -> None:
    private, public = pair
    signature = SigningKey(private, PASSPHRASE).sign(b"data")
    key = VerifyingKey.read(public)
    assert key.has_signed(b"data", signature)
    assert not key.has_signed(b"Data", signature)
    assert not key.has_signed(b"data", signature[:-1])
    assert not key.has_signed(b"data", b"")


def test_another_key_has_not_signed(pair: tuple[Path, Path], tmp_path: Path) -> None:
    _, other = write_pair(tmp_path / "other", PASSPHRASE)
    signature = SigningKey(pair[0], PASSPHRASE).sign(b"data")
    assert not VerifyingKey.read(other).has_signed(b"data", signature)


def test_the_private_half_is_encrypted_and_ours_alone(pair: tuple[Path, Path]) -> None:
    private, public = pair
    assert private.stat().st_mode & 0o777 == 0o600
    assert private.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert public.read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----")
    assert (private.name, public.name) == ("team.key", "team.pub")


@pytest.mark.parametrize("there", ["team.key", "team.pub"])
def test_what_is_there_stays(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    with pytest.raises(InputError) as caught:
        write_pair(tmp_path / "team", PASSPHRASE)
    assert str(caught.value) == f"'{tmp_path / there}': is there already; take another name, or move it away"
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_without_a_passphrase_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_pair(tmp_path / "team", "")
    assert str(caught.value) == "the passphrase is empty; a private key is never written without one"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_pair(tmp_path / "absent/team", PASSPHRASE)
    assert str(caught.value) == f"'{tmp_path}/absent/team.key': can't be written: no such file or directory"


CURVE = ec.generate_private_key(ec.SECP256R1())
OTHER_CURVE = ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()
SECRET = BestAvailableEncryption(PASSPHRASE.encode())
PKCS8 = PrivateFormat.PKCS8


@pytest.mark.parametrize(
    ("text", "passphrase", "said"),
    [
        (b"", "x", "is no private key in PEM"),
        (b"hello", "x", "is no private key in PEM"),
        (CURVE.private_bytes(Encoding.PEM, PKCS8, SECRET), "wrong", "the passphrase is wrong"),
        (
            CURVE.private_bytes(Encoding.PEM, PKCS8, SECRET),
            "",
            "is encrypted, and no passphrase was given; set TEMPER_PASSPHRASE",
        ),
        (
            CURVE.private_bytes(Encoding.PEM, PKCS8, NoEncryption()),
            "x",
            "is not encrypted; encrypt it, or make one by `temper key`",
        ),
        (
            OTHER_CURVE.private_bytes(Encoding.PEM, PKCS8, SECRET),
            PASSPHRASE,
            "is no ECDSA key on P-256; make one by `temper key`",
        ),
        (
            ED.private_bytes(Encoding.PEM, PKCS8, SECRET),
            PASSPHRASE,
            "is no ECDSA key on P-256; make one by `temper key`",
        ),
        (
            b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\neyJr\n",
            "x",
            "is encrypted in cosign's own way; make a key by `temper key` instead",
        ),
    ],
)
def test_private_keys_that_are_refused(tmp_path: Path, text: bytes, passphrase: str, said: str) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(text)
    with pytest.raises(InputError) as caught:
        SigningKey(path, passphrase)
    assert str(caught.value) == f"'{path}': {said}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"hello", "is no public key in PEM; give the one that `temper key` wrote"),
        (
            CURVE.private_bytes(Encoding.PEM, PKCS8, NoEncryption()),
            "is no public key in PEM; give the one that `temper key` wrote",
        ),
        (
            rsa.generate_private_key(65537, 2048)
            .public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "is no ECDSA key on P-256",
        ),
    ],
)
def test_public_keys_that_are_refused(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "a.pub"
    path.write_bytes(text)
    with pytest.raises(InputError) as caught:
        VerifyingKey.read(path)
    assert str(caught.value) == f"'{path}': {said}"


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        VerifyingKey.read(tmp_path / "absent")
    assert str(caught.value) == f"'{tmp_path}/absent': can't be read: no such file or directory"
