"""The verbs about the host's GPUs."""

import os
import sys
from pathlib import Path

import click

from builder.cli.answers import say, say_json
from builder.cli.group import cli
from builder.cli.options import AS_JSON


@cli.group()
def gpu() -> None:
    """Look at how a host gives its GPUs to containers."""


@gpu.command("lint")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--host", is_flag=True, help="Look at the files that it names too: on the host itself.")
@AS_JSON
def gpu_lint(spec: Path, host: bool, as_json: bool) -> None:
    """Say what is wrong with the CDI specification SPEC, or dangerous in it; exit 1 where something is.

    Its form by CDI 1.1.0, hooks that would run with an image's variables, mounts that can be written.
    """
    from builder.config.cdi import as_data, lint

    found = lint(spec, host=os.stat if host else None)
    if as_json:
        say_json(as_data(spec, found, host=host))
    else:
        say(
            "\n".join(map(str, found))
            or f"{spec}: nothing is wrong" + ("" if host else ", by its text alone")
        )
    if found:
        sys.exit(1)
