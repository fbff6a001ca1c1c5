"""The only importer of subprocess."""

import logging
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from builder.errors import ToolError

log = logging.getLogger("temper")


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program to its end, its output captured. Never through a shell.

    Raises `ToolError` where the program is missing or, with `check`, fails.
    """
    words = [str(word) for word in command]
    log.info("+ %s", shlex.join(words))
    try:
        done = subprocess.run(words, env=env, input=stdin, cwd=cwd, capture_output=True, check=False)
    except FileNotFoundError:
        raise ToolError(f"{words[0]}: program not found; install it or put it on the PATH") from None
    if check and done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or "it said nothing"
        raise ToolError(f"{shlex.join(words)}: exit {done.returncode}: {said}")
    return done
