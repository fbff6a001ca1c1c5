"""The command itself: its entry point, its group of verbs, and what every verb begins with."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder import __version__
from builder.cli.answers import fail, turn_off
from builder.errors import TemperError
from builder.startup import give_memory_back, hasten, heed_interrupts

if TYPE_CHECKING:
    from builder.workplace import Workplace


def main() -> None:
    """Entry point: turns the errors a user can meet into messages and exit codes."""
    _prepare()
    try:
        cli(prog_name="temper", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__cause__, EOFError):  # click takes it for Ctrl-D, here it is a bug
            raise
        fail("interrupted; nothing half-made was left", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except TemperError as error:
        fail(str(error), error.exit_code)


def _prepare() -> None:
    """Closed streams swallow what is written to them; a polite kill cleans up just as Ctrl-C does."""
    hasten()
    heed_interrupts()
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - for the whole process
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115


class Verbs(click.Group):
    def invoke(self, context: click.Context) -> Any:
        """Ends quietly where a reader hangs up, as `| head` does.

        click's own way is to end with 1, but here that says that the image fails.
        """
        try:
            return super().invoke(context)
        except BrokenPipeError:
            turn_off(sys.stdout, sys.stderr)
            sys.exit(3)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="temper %(version)s")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.option("-v", "--verbose", is_flag=True, help="Show the programs that are called.")
@click.pass_context
def cli(context: click.Context, quiet: bool, verbose: bool) -> None:
    """Build, harden and verify minimal container images for AI workloads.

    Images and profiles are found in ./images and ./profiles, then among the built-in ones. Exit codes:
    0 fine, 1 the image fails its profile, 2 what you wrote is wrong, 3 a tool, network or engine failed.
    """
    context.obj = quiet
    if verbose:  # warnings are shown in any case, and the module takes a while to import
        import logging

        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        logging.getLogger("temper").setLevel(logging.INFO)


def bundled(
    context: click.Context,
    place: "Workplace",
    bundle: Path | None,
    image: str,
    profile: str,
    platform: str | None,
) -> "Workplace":
    """The bundle's, until the command ends; without a bundle the place itself."""
    if bundle is None:
        return place
    from builder.bundled import Asked, unbundled

    asked = Asked(image=image, profile=profile, platform=platform)
    return context.with_resource(unbundled(place, bundle, asked))


def workplace(context: click.Context, *, offline: bool = False, locked: bool = False) -> "Workplace":
    from builder.config.workspace import Workspace
    from builder.console import progress_for
    from builder.packages.store import Store
    from builder.workplace import Workplace

    give_memory_back()
    return Workplace(
        workspace=Workspace.here(Path.cwd()),
        store=Store.default(),
        progress=progress_for(sys.stderr, quiet=context.obj),
        offline=offline,
        locked=locked,
    )
