"""Starts JupyterLab with these settings and no others. Exit code 2: there is no token to open it with.

What the browser leaves away stands in /etc/jupyter/labconfig: the terminal and language servers, as there is
neither a shell nor a server; the manager of extensions, as there is nowhere to install to; and announcements,
as they come from jupyterlab.github.io.
"""

import os
import sys
from pathlib import Path
from typing import Any

TOKEN_FILE = Path("/run/secrets/jupyter/token")
LONGEST = 4096
SHORTEST = 16
"""Characters: `openssl rand -hex 16` and the like give 32."""


class TokenError(Exception):
    """Nobody could be told from anybody else."""


def read_token(path: Path) -> str:
    """The file's only line. Jupyter itself takes an empty token for a wish to be open to everybody."""
    try:
        with path.open("rb") as stream:
            text = stream.read(LONGEST + 1)
        lines = text.decode("ascii").strip().splitlines()
    except OSError as error:
        problem = f"{error.strerror}; mount a folder on '{path.parent}' that holds the file '{path.name}'"
        raise TokenError(f"{path}: {problem}") from None
    except UnicodeDecodeError:
        raise TokenError(f"{path}: not plain text; write letters and digits") from None
    if problem := token_problem(text, lines):
        raise TokenError(f"{path}: {problem}")
    return lines[0]


def token_problem(text: bytes, lines: list[str]) -> str:
    """Empty where there is none."""
    if len(text) > LONGEST:
        return f"longer than {LONGEST} bytes; write a shorter token"
    if len(lines) != 1 or len(lines[0]) < SHORTEST:
        return f"not one line of {SHORTEST} characters or more; write a longer token"
    if not lines[0].isprintable() or " " in lines[0]:
        return "holds a space or a control character; write letters and digits"
    return ""


def settings(token: str) -> dict[str, dict[str, Any]]:
    return {
        "IdentityProvider": {"token": token},
        "PasswordIdentityProvider": {"allow_password_change": False},  # it would be written to scratch space
        "ServerApp": {
            "ip": "0.0.0.0",  # noqa: S104 - inside the container; the run contract says who reaches it
            "port": 8888,
            "port_retries": 0,  # another port is not published
            "allow_remote_access": True,  # by any name: the token decides, not the Host header
            "default_url": "/lab",
            "open_browser": False,
            "root_dir": "/workspace",
            "terminals_enabled": False,
        },
        "LabApp": {
            "extension_manager": "readonly",
            "news_url": None,
            "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        },
    }


def serve(token: str) -> None:
    from jupyterlab.labapp import LabApp  # noqa: PLC0415 - takes a second, and a missing token is told at once
    from traitlets.config import Config  # noqa: PLC0415

    LabApp.load_other_extensions = False  # terminals and language servers want programs that are not here
    LabApp.initialize_server(argv=[], config=Config(settings(token))).start()


def main() -> int:
    os.umask(0o002)  # the next start may have another uid of the same group, as OpenShift chooses
    try:
        token = read_token(TOKEN_FILE)
    except TokenError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    serve(token)
    return 0


if __name__ == "__main__":
    sys.exit(main())
