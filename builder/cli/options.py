"""Options that several verbs have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def with_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def apply(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


PROFILE = click.option("-p", "--profile", default="hardened", show_default=True, help="Hardening profile.")
PLATFORM = click.option(
    "--platform", metavar="OS/ARCH", default=None, help="linux/amd64 or linux/arm64; default: this machine's."
)
OFFLINE = click.option("--offline", is_flag=True, help="Use only what the store holds; never the network.")
LOCKED = click.option("--locked", is_flag=True, help="Refuse to make a new lock (for CI).")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
BUNDLE = click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Take image, profile, lock and every file from what `temper bundle` wrote; never the network.",
)
FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "junit", "sarif"]),
    default="text",
    show_default=True,
    help="Form of the report.",
)
FAIL_ON = click.option(
    "--fail-on",
    type=click.Choice(["low", "medium", "high", "critical"]),
    default="low",
    show_default=True,
    help="Least severity of a failed control that makes the exit code 1.",
)
OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder for the result; default: build/<image>-<profile>-<arch>.",
)
