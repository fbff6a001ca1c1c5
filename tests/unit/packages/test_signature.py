from pathlib import Path

import pytest

from builder.errors import TrustError
from builder.packages.bases import KEYS
from builder.packages.signature import verify_inrelease
from tests.integration.archive import Signing, signed, signing_key

TEXT = "Origin: Debian\nLabel: - dash\n"


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    path = tmp_path / "keyring.asc"
    path.write_text(str(signing_key("archive").extract_certificate()))
    return path


def said(data: bytes, *keyring: Path) -> str:
    with pytest.raises(TrustError) as raised:
        verify_inrelease(data, keyring, name="x")
    return str(raised.value)


def test_gives_the_text_and_who_signed_it(keyring: Path) -> None:
    fingerprint = signing_key("archive").extract_certificate().fingerprint.upper()
    assert verify_inrelease(signed(TEXT), (keyring,)) == (TEXT, (fingerprint,))


def test_one_good_key_of_several_is_enough(keyring: Path) -> None:
    shipped = tuple(sorted(KEYS.iterdir()))
    assert verify_inrelease(signed(TEXT), (*shipped, keyring))[0] == TEXT


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_what_stands_outside_the_signed_part_is_not_believed(keyring: Path, ends: bytes) -> None:
    data = (b"Evil: before\n\n" + signed(TEXT) + b"Evil: after\n").replace(b"\n", ends)
    assert verify_inrelease(data, (keyring,))[0] == TEXT


@pytest.mark.parametrize("data", [b"", b"<html>", TEXT.encode(), signed(TEXT, Signing.UNSIGNED)])
def test_unsigned(keyring: Path, data: bytes) -> None:
    assert said(data, keyring) == "x: is not signed; use a mirror that serves the distribution's signed index"


@pytest.mark.parametrize("change", [(b"Label", b"Lobel"), (b"Debian\n", b"Debian\n\n")])
def test_tampered(keyring: Path, change: tuple[bytes, bytes]) -> None:
    assert said(signed(TEXT).replace(*change), keyring) == (
        "x: its signature is bad: the text was changed after it was signed, or the key has expired; "
        "use another mirror"
    )


def test_a_stranger_among_the_distributions_keys() -> None:
    key = signing_key("stranger").extract_certificate()
    message = said(signed(TEXT, Signing.STRANGER), *sorted(KEYS.iterdir()))
    assert message.startswith("x: signed by ")
    assert message.endswith(
        ", which is none of the archive's keys; use a mirror of the distribution, "
        "or trust a private archive's key by 'keyrings' in temper/config.yaml"
    )
    assert key.fingerprint.upper() not in message  # the subkey that signed is named, as gpg does


def test_a_keyring_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "keyring.asc").write_text("nothing")
    assert said(signed(TEXT), tmp_path / "keyring.asc").startswith(
        f"{tmp_path}/keyring.asc: is not an OpenPGP keyring ("
    )
