"""Identity tokens (OpenID Connect), which say who signs: given by the CI system, or by the user in a file or
a variable. A token is a secret: it stands in no message and on no command line."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from builder.errors import InputError

if TYPE_CHECKING:
    from sigstore.oidc import IdentityError, IdentityToken

VARIABLE = "SIGSTORE_ID_TOKEN"
"""cosign's name, and that of GitLab's documentation."""
AUDIENCE = "sigstore"
"""Whom a token is for; Fulcio takes no other."""


def find_token(file: Path | None, env: Mapping[str, str] = os.environ) -> "IdentityToken":
    """Raises `InputError` where there is none, or where it is none that Sigstore takes."""
    from sigstore.oidc import IdentityError, IdentityToken  # noqa: PLC0415 - slow

    said_by, token = _given(file, env)
    try:
        return IdentityToken(token, AUDIENCE)
    except IdentityError as error:
        raise InputError(f"{said_by}: {_reason(error)}") from None


def _given(file: Path | None, env: Mapping[str, str]) -> tuple[str, str]:
    """Where it comes from, and the token."""
    if file is not None:
        try:
            return f"'{file}'", file.read_text(encoding="ascii").strip()
        except OSError as error:
            raise InputError(f"'{file}': can't be read: {str(error.strerror).lower()}") from None
        except UnicodeDecodeError:
            raise InputError(f"'{file}': is no identity token") from None
    if env.get(VARIABLE):
        return VARIABLE, env[VARIABLE].strip()
    return "the identity provider's token", _ambient()


def _ambient() -> str:
    from sigstore.oidc import IdentityError, detect_credential  # noqa: PLC0415

    try:
        found = detect_credential(AUDIENCE)
    except IdentityError as error:
        raise InputError(
            f"--keyless: the CI system gives no identity token: {error}; on GitHub give the job "
            "'permissions: {id-token: write}', on GitLab 'id_tokens' with "
            f"{VARIABLE}"
        ) from None
    if found is None:
        raise InputError(
            "--keyless: no identity provider was found; run it in a CI system that has one (GitHub, GitLab, "
            f"CircleCI, Buildkite, Google Cloud), or give a token in {VARIABLE} or by --identity-token FILE"
        )
    return found


def _reason(error: "IdentityError") -> str:
    import jwt  # noqa: PLC0415

    match error.__cause__:
        case jwt.ExpiredSignatureError():
            return "has expired; get a fresh one"
        case jwt.InvalidAudienceError():
            return f"is not for Sigstore; ask the identity provider for one with the audience '{AUDIENCE}'"
        case None:
            return "is not valid now; get a fresh one, and check the clock"
        case cause:
            return f"is no identity token: {str(cause).lower()}"
