"""What a verb says: results on stdout, and an exit code."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO, TypeVar

from builder.errors import ToolError

T = TypeVar("T")


def turn_off(*streams: TextIO) -> None:
    """What is still in their buffers would be written, and fail, when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())


def fail(message: str, code: int) -> None:
    for line in message.split("\n"):
        print(f"temper: {line}", file=sys.stderr)
    sys.exit(code)


def say(text: str, end: str = "\n") -> None:
    """A result, on stdout. Raises `ToolError` where it can't be written; a reader that left is left alone."""
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        turn_off(sys.stdout)
        reason = (error.strerror or str(error)).lower()
        raise ToolError(f"the answer can't be written to stdout: {reason}") from None


def say_json(data: Any) -> None:
    import json

    say(json.dumps(data, indent=2, sort_keys=True))


def answer(data: T, text: Callable[[T], str], as_json: bool) -> None:
    """The data, for a program or for a person."""
    if as_json:
        say_json(data)
    else:
        say(harmless(text(data)))


def harmless(text: str) -> str:
    """Names out of an image may hold escape sequences for terminals."""
    if text.replace("\n", "").isprintable():
        return text
    from builder.verify.text import printable

    return printable(text)


def present(report: Any, form: str, folder: Path | None = None, fail_on: str = "low") -> None:
    """Prints a report and ends with 1 where a control of the severity `fail_on` or above fails."""
    from builder.model.report import Severity
    from builder.verify import formats

    text = formats.FORMATS[form](report).removesuffix("\n")
    if folder is not None and form == "text":
        text += f"\n\nwritten to {folder}"
    failed = report.failed(Severity(fail_on))
    if form == "text" and not failed and not report.passed:
        text += f"\nno control of severity {fail_on} or above fails: exit 0, by --fail-on"
    say(text)
    if failed:
        sys.exit(1)
