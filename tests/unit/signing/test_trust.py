"""Which Sigstore is meant: files by option, variable or configuration, else the public one."""

import json
import os
import sys
from pathlib import Path

import pytest
import sigstore.models
from sigstore.errors import TUFError

from builder.errors import InputError, NetworkError
from builder.signing.trust import find_instance, find_root, need_library, read_root
from tests.record_keyless import CASES

ROOT = CASES / "trusted-root.json"
SERVICE = {
    "url": "http://127.0.0.1:1",
    "majorApiVersion": 1,
    "validFor": {"start": "2024-01-01T00:00:00Z"},
    "operator": "example.test",
}
SERVICES = {
    "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
    "caUrls": [SERVICE],
    "rekorTlogUrls": [{**SERVICE, "majorApiVersion": 2}],
    "rekorTlogConfig": {"selector": "ANY"},
    "tsaUrls": [SERVICE],
    "tsaConfig": {"selector": "ANY"},
}


@pytest.fixture
def services(tmp_path: Path) -> Path:
    file = tmp_path / "signing-config.json"
    file.write_text(json.dumps(SERVICES))
    return file


def test_both_by_option(services: Path) -> None:
    found = find_instance(ROOT, services, {})
    assert found.services.get_fulcio().url == "http://127.0.0.1:1"
    assert found.root.get_fulcio_certs()


def test_by_variable_and_configuration(services: Path, tmp_path: Path) -> None:
    config = tmp_path / "temper/config.yaml"
    config.parent.mkdir()
    config.write_text(f"sigstore: {{signing-config: '{services}'}}\n")
    env = {"TEMPER_TRUSTED_ROOT": str(ROOT), "XDG_CONFIG_HOME": str(tmp_path)}
    assert find_instance(None, None, env).services.get_fulcio().url == "http://127.0.0.1:1"
    assert find_root(None, env).get_fulcio_certs()


def test_one_of_two(services: Path, tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    with pytest.raises(InputError) as caught:
        find_instance(None, services, env)
    assert str(caught.value) == (
        f"--signing-config: '{services}' alone doesn't say which Sigstore signs; "
        "give its --trusted-root too, or neither for the public one"
    )
    with pytest.raises(InputError) as caught:
        find_instance(ROOT, None, env)
    assert str(caught.value) == (
        f"--trusted-root: '{ROOT}' alone doesn't say which Sigstore signs; "
        "give its --signing-config too, or neither for the public one"
    )


def test_an_unknown_setting(tmp_path: Path) -> None:
    config = tmp_path / "temper/config.yaml"
    config.parent.mkdir()
    config.write_text("sigstore: {trustedroot: x}\n")
    with pytest.raises(InputError) as caught:
        find_root(None, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert str(caught.value) == f"{config}: sigstore: unknown key 'trustedroot'; did you mean 'trusted-root'?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no trusted root of Sigstore: expecting value: line 1 column 1 (char 0)"),
        ("[]", "is no trusted root of Sigstore: 'list' object has no attribute 'get'"),
        ("{}", "is no trusted root of Sigstore: mediaType: Field required"),
    ],
)
def test_what_is_no_root(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "root.json"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        read_root(file)
    assert str(caught.value) == f"'{file}': {said}"


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_root(tmp_path / "absent")
    assert str(caught.value) == f"'{tmp_path / 'absent'}': can't be read: no such file or directory"


def test_the_public_one_can_t_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail() -> None:
        raise TUFError("Failed to refresh TUF metadata")

    monkeypatch.setattr(sigstore.models.ClientTrustConfig, "production", fail)
    with pytest.raises(NetworkError) as caught:
        find_root(None, {"XDG_CONFIG_HOME": str(tmp_path)})
    assert str(caught.value) == (
        "what the public Sigstore is trusted by can't be fetched: failed to refresh TUF metadata; "
        "check the network, or name files of your own by --trusted-root (and --signing-config to sign)"
    )


def test_authorities_are_those_of_all_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = tmp_path / "own.pem"
    bundle.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")  # so that it is restored
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    need_library()
    assert os.environ["REQUESTS_CA_BUNDLE"] == str(bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "theirs")
    need_library()
    assert os.environ["REQUESTS_CA_BUNDLE"] == "theirs"


def test_the_library_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sigstore", None)
    with pytest.raises(InputError) as caught:
        need_library()
    assert str(caught.value) == (
        "signing and verifying without keys needs the library 'sigstore'; run `pip install 'temper[keyless]'`"
    )
