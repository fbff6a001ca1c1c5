"""Who we are to a registry: what `docker login` left in Docker's configuration, or its credential helpers.

Never the command line, where every user of the machine could read it.
Source: docker/cli, cli/config/configfile; docker-credential-helpers, protocol.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder import process
from builder.errors import InputError, ToolError

TOKEN_USER = "<token>"  # noqa: S105 - the helpers' name for "the secret is an identity token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    user: str
    secret: str = field(repr=False)
    is_token: bool = False
    """The secret is an identity token, to be exchanged for others."""


def config_file(env: Mapping[str, str]) -> Path:
    folder = env.get("DOCKER_CONFIG")
    return (Path(folder) if folder else Path(env.get("HOME") or "~").expanduser() / ".docker") / "config.json"


def find_credentials(host: str, env: Mapping[str, str] | None = None) -> Credentials | None:
    """A helper for this host, else the store for all hosts, else what stands in the file; or nothing.

    Raises `InputError` for a file that can't be read, `ToolError` for a helper that fails.
    """
    path = config_file(os.environ if env is None else env)
    config = _read(path)
    helper = _section(config, "credHelpers").get(host) or config.get("credsStore")
    if isinstance(helper, str) and helper:
        return _ask(helper, host)
    for name in (host, f"https://{host}", f"http://{host}", f"https://{host}/v1/", f"https://{host}/v2/"):
        entry = _section(config, "auths").get(name)
        if isinstance(entry, dict) and (found := _entry(entry, path, name)):
            return found
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{path}: can't be read: {str(error.strerror).lower()}") from None
    except ValueError:
        raise InputError(f"{path}: is not valid JSON; correct it, or run `docker login` anew") from None
    return data if isinstance(data, dict) else {}


def _section(config: dict[str, Any], name: str) -> dict[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _entry(entry: dict[str, Any], path: Path, name: str) -> Credentials | None:
    if token := entry.get("identitytoken"):
        return Credentials(user="", secret=str(token), is_token=True)
    if not (text := entry.get("auth")):
        return None
    try:
        user, colon, secret = base64.b64decode(str(text), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        colon = ""
    if not colon:
        raise InputError(f"{path}: auths: '{name}': is damaged; run `docker login` for it anew")
    return Credentials(user=user, secret=secret.rstrip("\0"))


def _ask(helper: str, host: str) -> Credentials | None:
    done = process.run([f"docker-credential-{helper}", "get"], stdin=host.encode(), check=False)
    said = (done.stdout + done.stderr).decode(errors="replace").strip()
    if done.returncode != 0:
        if "credentials not found" in said.lower():
            return None
        reason = said.splitlines()[-1] if said else "it said nothing"
        raise ToolError(f"docker-credential-{helper}: exit {done.returncode}: {reason}")
    try:
        answer = json.loads(done.stdout)
        user, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        raise ToolError(f"docker-credential-{helper}: its answer is not what helpers answer") from None
    return Credentials(user=user, secret=secret, is_token=user == TOKEN_USER)
