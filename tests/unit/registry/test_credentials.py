"""Credentials come from Docker's configuration and its helpers."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from builder.errors import InputError, TemperError, ToolError
from builder.registry.credentials import Credentials, find_credentials

HOST = "registry.example:5000"


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def find(
    folder: Path, config: Any, monkeypatch: pytest.MonkeyPatch | None = None, helper: str = ""
) -> Credentials | None:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    if helper and monkeypatch is not None:
        program = folder / "docker-credential-safe"
        program.write_text(f"#!/bin/sh\n{helper}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=":")
    return find_credentials(HOST, {"DOCKER_CONFIG": str(folder)})


ADA = Credentials(user="ada", secret="a:b")


@pytest.mark.parametrize("name", [HOST, f"https://{HOST}", f"https://{HOST}/v1/"])
def test_of_the_file(tmp_path: Path, name: str) -> None:
    assert find(tmp_path, {"auths": {"other.example": auth("x:y"), name: auth("ada:a:b")}}) == ADA


def test_a_token_of_the_file(tmp_path: Path) -> None:
    config = {"auths": {HOST: {**auth("ada:"), "identitytoken": "T"}}}
    assert find(tmp_path, config) == Credentials(user="", secret="T", is_token=True)


@pytest.mark.parametrize(
    "config", [{}, {"auths": {}}, {"auths": {HOST: {}}}, {"auths": None}, [], {"auths": {HOST: 1}}]
)
def test_nothing_is_known(tmp_path: Path, config: Any) -> None:
    assert find(tmp_path, config) is None


def test_there_is_no_file(tmp_path: Path) -> None:
    assert find_credentials(HOST, {"HOME": str(tmp_path)}) is None


def test_the_file_below_home(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text(json.dumps({"auths": {HOST: auth("ada:a:b")}}))
    assert find_credentials(HOST, {"HOME": str(tmp_path)}) == ADA


@pytest.mark.parametrize("section", [{"credHelpers": {HOST: "safe"}}, {"credsStore": "safe"}])
def test_of_a_helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: dict[str, Any]) -> None:
    """It is asked for this host, and wins over what stands in the file."""
    helper = f"""[ "$1" = get ] && [ "$(cat)" = {HOST} ] && echo '{{"Username": "ada", "Secret": "a:b"}}'"""
    config = {**section, "auths": {HOST: auth("old:old")}}
    assert find(tmp_path, config, monkeypatch, helper) == ADA


def test_a_token_of_a_helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = """echo '{"Username": "<token>", "Secret": "T"}'"""
    found = find(tmp_path, {"credsStore": "safe"}, monkeypatch, helper)
    assert found == Credentials(user="<token>", secret="T", is_token=True)


def test_a_helper_that_knows_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = "echo credentials not found in native keychain; exit 1"
    assert find(tmp_path, {"credsStore": "safe"}, monkeypatch, helper) is None


@pytest.mark.parametrize(
    ("config", "helper", "kind", "said"),
    [
        ("{", "", InputError, "{file}: is not valid JSON; correct it, or run `docker login` anew"),
        (
            {"auths": {HOST: {"auth": "!"}}},
            "",
            InputError,
            f"{{file}}: auths: '{HOST}': is damaged; run `docker login` for it anew",
        ),
        (
            {"credsStore": "safe"},
            "echo the keychain is locked; exit 3",
            ToolError,
            "docker-credential-safe: exit 3: the keychain is locked",
        ),
        (
            {"credsStore": "safe"},
            "echo '{}'",
            ToolError,
            "docker-credential-safe: its answer is not what helpers answer",
        ),
        (
            {"credsStore": "absent"},
            "",
            ToolError,
            "docker-credential-absent: program not found; install it or put it on the PATH",
        ),
    ],
)
def test_what_fails(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    config: Any,
    helper: str,
    kind: type[TemperError],
    said: str,
) -> None:
    with pytest.raises(kind) as caught:
        find(tmp_path, config, monkeypatch, helper)
    assert str(caught.value) == said.format(file=tmp_path / "config.json")


def test_a_secret_is_not_shown() -> None:
    assert "a:b" not in repr(ADA)
