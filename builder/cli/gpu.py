"""The verbs about the host's GPUs."""

import os
import sys
from pathlib import Path

import click

from builder.cli.answers import say, say_json
from builder.cli.group import cli, workplace
from builder.cli.options import AS_JSON


@cli.group()
def gpu() -> None:
    """Look at how a host gives its GPUs to containers, and whether an image can use them."""


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


@gpu.command("check")
@click.argument("rootfs", type=click.Path(path_type=Path))
@click.option("--rehearsal", is_flag=True, help="With a stub driver, on a machine without a GPU.")
@click.option("--gpu", default="all", show_default=True, metavar="WHICH", help="all, an index or a UUID.")
@click.option(
    "--cdi",
    type=click.Path(path_type=Path),
    default=None,
    metavar="SPEC",
    help="The CDI specification to inject by; default: /etc/cdi, /var/run/cdi, then what ldconfig lists.",
)
@AS_JSON
@click.pass_context
def gpu_check(
    context: click.Context,
    /,
    rootfs: Path,
    rehearsal: bool,
    gpu: str,
    cdi: Path | None,
    as_json: bool,
) -> None:
    """Look at an unpacked image on this machine's GPU without a container engine; exit 1 where a row fails.

    ROOTFS is an OCI layout or a folder with an image's files, which are left as they are: namespaces and an
    overlay hold what is added. As root the image's own user is tried.
    """
    from builder.gpu.asked import check as check_asked
    from builder.gpu.check import check
    from builder.model.report import Outcome
    from builder.verify.text import gpu as table
    from builder.workplace import host_platform

    wanted = "rehearsal" if rehearsal else gpu
    check_asked(wanted, cdi)
    rows = check(workplace(context).store, rootfs, host_platform(), wanted, cdi)
    if as_json:
        say_json([one.model_dump(mode="json", by_alias=True) for one in rows])
    else:
        say(table(rows))
    if any(one.outcome is Outcome.FAILED for one in rows):
        sys.exit(1)
