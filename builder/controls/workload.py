"""What a finished image says of its own workload: which commands are started, and where Python's code is."""

import re
import shlex
from collections.abc import Iterator, Sequence

from builder.model.image import Image, ImageConfig
from builder.model.tree import Kind
from builder.rootfs.needs import Command, shell_line

FLAGS_WITH_VALUE = ("-W", "-X")
PYTHON = re.compile(r"(.*/)?python[0-9.]*")


def commands(config: ImageConfig) -> Iterator[Command]:
    """The entrypoint with its arguments, and the health check."""
    words = (*config.entrypoint, *config.cmd)
    if words:
        yield Command(what="entrypoint", words=words, shell=shell_line(words))
    check = config.healthcheck
    if check is not None and config.healthcheck_shell:
        yield Command(what="health check", words=("/bin/sh",), shell=" ".join(check.command))
    elif check is not None:
        yield Command(what="health check", words=check.command, shell=shell_line(check.command))


def code_folder(image: Image) -> str:
    """The folder that Python puts first on its search path for the entrypoint; empty where it isn't Python.

    `PYTHONSAFEPATH` takes it away: a program that imports its neighbours needs it in `PYTHONPATH` then.
    """
    arguments = iter(python_arguments((*image.config.entrypoint, *image.config.cmd)))
    for word in arguments:
        if word in FLAGS_WITH_VALUE:
            next(arguments, None)
        elif word.startswith(("-m", "-c")):
            return image.config.workdir
        elif not word.startswith("-"):
            place = word if word.startswith("/") else f"{image.config.workdir.rstrip('/')}/{word}"
            entry = image.rootfs.resolve(place)
            if entry is None:
                return ""
            folder = entry.path if entry.kind is Kind.DIRECTORY else entry.path.rpartition("/")[0]
            return f"/{folder}"
    return ""


def python_arguments(words: Sequence[str]) -> list[str]:
    """What Python is started with: alone, by an init (`tini -- python3 app.py`), or in a line for a shell."""
    line = shell_line(words)
    found = in_shell(line) if line else list(words)
    at = next((at for at, word in enumerate(found) if PYTHON.fullmatch(word)), len(found))
    rest = found[at + 1 :]
    end = next((at for at, word in enumerate(rest) if line and set(word) <= set("();<>|&")), len(rest))
    return rest[:end]


def in_shell(line: str) -> list[str]:
    """Words and operators; none where a quote is not closed."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        return list(lexer)
    except ValueError:
        return []
