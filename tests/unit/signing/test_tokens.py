"""Identity tokens: where they come from, and which are refused before anybody is asked."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import sigstore.oidc

from builder.errors import InputError
from builder.signing.tokens import find_token

KEY = "a secret of the provider that has more than the bytes it needs"


def token(**claims: Any) -> str:
    now = int(time.time())
    said = {"iss": "https://id.example.test", "aud": "sigstore", "sub": "ada", "iat": now, "exp": now + 600}
    return jwt.encode({**said, **claims}, KEY, algorithm="HS256")


def refusal(file: Path | None, **env: str) -> str:
    with pytest.raises(InputError) as caught:
        find_token(file, env)
    return str(caught.value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "token"


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine may be in a cloud."""
    monkeypatch.setattr(sigstore.oidc, "detect_credential", lambda _: None)


def test_of_a_file(file: Path) -> None:
    file.write_text(f"{token(sub='ada')}\n")
    assert find_token(file, {"SIGSTORE_ID_TOKEN": token(sub="eve")}).identity == "ada"


def test_of_the_environment() -> None:
    assert find_token(None, {"SIGSTORE_ID_TOKEN": token()}).identity == "ada"


def test_of_the_ci_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sigstore.oidc, "detect_credential", lambda audience: token(aud=audience))
    assert find_token(None, {}).identity == "ada"


def test_there_is_none() -> None:
    assert refusal(None) == (
        "--keyless: no identity provider was found; run it in a CI system that has one (GitHub, GitLab, "
        "CircleCI, Buildkite, Google Cloud), or give a token in SIGSTORE_ID_TOKEN or by --identity-token FILE"
    )


def test_a_ci_system_that_gives_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(audience: str) -> str:
        raise sigstore.oidc.IdentityError("GitHub: missing or insufficient OIDC token permissions")

    monkeypatch.setattr(sigstore.oidc, "detect_credential", refuse)
    assert refusal(None) == (
        "--keyless: the CI system gives no identity token: GitHub: missing or insufficient OIDC token "
        "permissions; on GitHub give the job 'permissions: {id-token: write}', on GitLab 'id_tokens' with "
        "SIGSTORE_ID_TOKEN"
    )


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: "", "is no identity token: not enough segments"),
        (lambda: "a.b.c", "is no identity token: invalid header padding"),
        (lambda: token(exp=1), "has expired; get a fresh one"),
        (
            lambda: token(aud="other"),
            "is not for Sigstore; ask the identity provider for one with the audience 'sigstore'",
        ),
        (
            lambda: token(nbf=int(time.time()) + 500),
            "is not valid now; get a fresh one, and check the clock",
        ),
        (lambda: token(sub=None), 'is no identity token: token is missing the "sub" claim'),
    ],
)
def test_which_are_refused(file: Path, made: Callable[[], str], said: str) -> None:
    """Tokens are made when they are needed: they don't outlast a run of all tests."""
    text = made()
    file.write_text(text)
    assert refusal(file) == f"'{file}': {said}"
    if text:
        assert refusal(None, SIGSTORE_ID_TOKEN=text) == f"SIGSTORE_ID_TOKEN: {said}"


def test_files_that_are_none(file: Path) -> None:
    assert refusal(file) == f"'{file}': can't be read: no such file or directory"
    file.write_bytes(b"\xff\x00")
    assert refusal(file) == f"'{file}': is no identity token"
