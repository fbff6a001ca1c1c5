"""The command `temper`: a function per verb. The only place that prints or exits.

Results go to stdout, progress and errors to stderr. Exit codes stand in `builder.errors`. Imports of the
stages are local to the verbs, so that `temper --help` answers at once.
"""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from builder import __version__
from builder.errors import TemperError, ToolError
from builder.startup import hasten

if TYPE_CHECKING:
    from builder.model.report import Report
    from builder.workplace import Workplace

F = TypeVar("F", bound=Callable[..., Any])


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
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - for the whole process
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    signal.signal(signal.SIGTERM, signal.default_int_handler)


class Verbs(click.Group):
    def invoke(self, context: click.Context) -> Any:
        """Ends quietly where a reader hangs up, as `| head` does.

        click's own way is to end with 1, but here that says that the image fails.
        """
        try:
            return super().invoke(context)
        except BrokenPipeError:
            _turn_off(sys.stdout, sys.stderr)
            sys.exit(3)


def _turn_off(*streams: TextIO) -> None:
    """What is still in their buffers would be written, and fail, when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())


def fail(message: str, code: int) -> None:
    for line in message.split("\n"):
        print(f"temper: {line}", file=sys.stderr)
    sys.exit(code)


def say(text: str) -> None:
    """A result, on stdout. Raises `ToolError` where it can't be written; a reader that left is left alone."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        _turn_off(sys.stdout)
        reason = (error.strerror or str(error)).lower()
        raise ToolError(f"the answer can't be written to stdout: {reason}") from None


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
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("temper").setLevel(logging.INFO if verbose else logging.WARNING)


def workplace(context: click.Context, *, offline: bool = False, locked: bool = False) -> "Workplace":
    from builder.config.workspace import Workspace
    from builder.console import progress_for
    from builder.packages.store import Store
    from builder.workplace import Workplace

    return Workplace(
        workspace=Workspace.here(Path.cwd()),
        store=Store.default(),
        progress=progress_for(sys.stderr, quiet=context.obj),
        offline=offline,
        locked=locked,
    )


def say_json(data: Any) -> None:
    say(json.dumps(data, indent=2, sort_keys=True))


@cli.command("list")
@click.option("--names", is_flag=True, help="Only the images' names, one a line.")
@AS_JSON
@click.pass_context
def list_(context: click.Context, names: bool, as_json: bool) -> None:
    """List the images and profiles that can be built here."""
    from builder import show

    listing = show.listing(workplace(context).workspace)
    if names:
        say("\n".join(row["name"] for row in listing["images"]))
    elif as_json:
        say_json(listing)
    else:
        say(show.listing_text(listing))


@cli.command()
@click.argument("image")
@PROFILE
@AS_JSON
@click.pass_context
def plan(context: click.Context, image: str, profile: str, as_json: bool) -> None:
    """Show what would be built, and which control asks for what."""
    from builder import show
    from builder.workplace import plan as make_plan

    planned = make_plan(workplace(context), image, profile)
    if as_json:
        say_json(show.plan_data(planned))
    else:
        say(show.plan_text(planned))


@cli.command()
@click.argument("image")
@PROFILE
@AS_JSON
@click.pass_context
def lock(context: click.Context, image: str, profile: str, as_json: bool) -> None:
    """Lock the image's packages and wheels to what the archive and the index hold now."""
    from builder import show
    from builder.locks import relock
    from builder.workplace import plan as make_plan

    place = workplace(context)
    locked = relock(place, make_plan(place, image, profile))
    if as_json:
        say_json({"path": str(locked.path), "new": locked.new, "moved": list(locked.moved)})
    else:
        say(show.locked_text(locked))


@cli.command()
@click.argument("image")
@with_options(PROFILE, PLATFORM, LOCKED, OFFLINE)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder for the definition."
)
@click.pass_context
def render(
    context: click.Context,
    image: str,
    profile: str,
    platform: str | None,
    locked: bool,
    offline: bool,
    output: Path,
) -> None:
    """Write the definition: Dockerfile, layers and run contract, a complete build context."""
    from builder.pipeline import render as write
    from builder.workplace import plan as make_plan

    place = workplace(context, offline=offline, locked=locked)
    write(place, make_plan(place, image, profile), platform, output)
    say(str(output))


@cli.command()
@click.argument("image")
@with_options(PROFILE, OUTPUT, PLATFORM, LOCKED, OFFLINE)
@click.option(
    "--engine",
    type=click.Choice(["auto", "docker", "none"]),
    envvar="ENGINE",
    default="auto",
    show_default=True,
    help="auto: load the layout where an engine answers; docker: let the engine build it; none: no engine.",
)
@click.option("--verify", is_flag=True, help="Run the live suites too, where an engine answers.")
@AS_JSON
@click.pass_context
def build(context: click.Context, /, image: str, profile: str, as_json: bool, **options: Any) -> None:
    """Build, harden and audit an image; load it where an engine answers."""
    from builder.pipeline import build as run
    from builder.stages import Options
    from builder.workplace import plan as make_plan

    place = workplace(context, offline=options.pop("offline"), locked=options.pop("locked"))
    built = run(place, make_plan(place, image, profile), Options(**options))
    present(built.report, "json" if as_json else "text", built.folder)


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


@cli.command()
@click.argument("reference")
@with_options(PROFILE, OUTPUT, PLATFORM, FORMAT, FAIL_ON, OFFLINE)
@click.option(
    "--structure-test",
    "structure_tests",
    metavar="FILE",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Run a container-structure-test file too (schema 2.0.0); its command tests need an engine.",
)
@click.pass_context
def audit(
    context: click.Context,
    /,
    reference: str,
    profile: str,
    form: str,
    fail_on: str,
    offline: bool,
    structure_tests: tuple[Path, ...],
    **options: Any,
) -> None:
    """Look at a finished image, every layer of it: one of ours, or any other.

    REFERENCE is the name of an image with an image.yaml (OUTPUT is where `build` wrote it then), a folder
    with an OCI layout, an archive of `docker save` or of a layout, or the name of an image or a container
    of the engine; oci:, docker-archive:, oci-archive:, docker: and container: before it say which.
    """
    place = workplace(context, locked=True, offline=offline)
    if reference in place.workspace.images():
        report = examined(place, reference, profile, {**options, "engine": "none"}, structure_tests)
    else:
        refuse_output(options["output"], reference)
        report = examined_foreign(place, reference, profile, options["platform"], structure_tests)
    present(report, form, fail_on=fail_on)


def examined_foreign(
    place: "Workplace", reference: str, profile: str, platform: str | None, structure_tests: tuple[Path, ...]
) -> "Report":
    if structure_tests:
        from builder.structure import audit_foreign

        return audit_foreign(place, reference, profile, platform, structure_tests)
    from builder.foreign import audit as run

    return run(place, reference, profile, platform)


def refuse_output(output: Path | None, reference: str) -> None:
    if output is not None:
        raise click.UsageError(
            f"--output says where `build` wrote an image, and '{reference}' is none of ours"
        )


@cli.command()
@click.argument("reference")
@with_options(PROFILE, OUTPUT, PLATFORM, FORMAT, FAIL_ON)
@click.option("--tag", default="", metavar="NAME", help="Load the result into the engine under this name.")
@click.option("--dry-run", is_flag=True, help="Only list what would be changed; write nothing.")
@click.pass_context
def harden(
    context: click.Context, /, reference: str, profile: str, form: str, fail_on: str, **options: Any
) -> None:
    """Harden a finished image that others built, into a new one of one layer.

    REFERENCE is as for `audit`. Config, entrypoint, volumes and working directory stay; what was changed is
    listed for each control, and what is left to do for a person.
    """
    from builder.foreign import Options
    from builder.foreign import harden as run
    from builder.verify.text import changes_text

    if options["dry_run"] and options["tag"]:
        raise click.UsageError("--dry-run writes nothing that --tag could name")
    done = run(workplace(context, locked=True), reference, profile, Options(**options))
    if form == "text":
        say(changes_text(done.report))
    present(done.report, form, done.folder, fail_on)


@cli.command()
@click.argument("image")
@with_options(PROFILE, OUTPUT, PLATFORM, FORMAT)
@click.pass_context
def verify(context: click.Context, /, image: str, profile: str, form: str, **options: Any) -> None:
    """Audit a finished image and run the live suites in a container started by its run contract."""
    place = workplace(context, locked=True)
    present(examined(place, image, profile, {**options, "engine": "required", "verify": True}), form)


def examined(
    place: "Workplace",
    image: str,
    profile: str,
    options: dict[str, Any],
    structure_tests: tuple[Path, ...] = (),
) -> "Report":
    from builder.stages import Options
    from builder.workplace import plan as make_plan

    plan, chosen = make_plan(place, image, profile), Options(**options)
    if structure_tests:
        from builder.structure import audit as run_with

        return run_with(place, plan, chosen, structure_tests)
    from builder.pipeline import audit as run

    return run(place, plan, chosen)


@cli.command()
@click.argument("image")
@with_options(PROFILE, OUTPUT, PLATFORM, FORMAT)
@click.pass_context
def seccomp(context: click.Context, /, image: str, profile: str, form: str, **options: Any) -> None:
    """Fit a seccomp profile to a finished image, and run the live suites under it.

    Records the system calls of the image's tests and health check in a container, adds what the container
    runtime needs, and writes the profile beside the definition where the image passes under it.
    """
    from builder.fitting import fit
    from builder.stages import Options
    from builder.workplace import plan as make_plan

    place = workplace(context, locked=True)
    fitted = fit(place, make_plan(place, image, profile), Options(**options, engine="required", verify=True))
    if fitted.path is not None:
        place.progress.note(
            f"written to {fitted.path}; to keep it, copy it beside image.yaml and name it there: 'seccomp'"
        )
    present(fitted.report, form)


@cli.command()
@click.argument("first")
@click.argument("second")
@with_options(PROFILE, PLATFORM, AS_JSON)
@click.option("--exit-code", is_flag=True, help="End with 1 where the images differ.")
@click.pass_context
def diff(
    context: click.Context,
    first: str,
    second: str,
    profile: str,
    platform: str | None,
    as_json: bool,
    exit_code: bool,
) -> None:
    """Say what changes from image FIRST to SECOND, and what a client has to pull again.

    Each is the name of an image with an image.yaml (as `build` left it), or whatever `audit` takes.
    """
    from builder import comparison
    from builder.finding import Wanted, found

    place, wanted = workplace(context, locked=True), Wanted(profile=profile, platform=platform)
    with found(place, first, wanted) as old, found(place, second, wanted) as new:
        data = comparison.compare(old.image, new.image, (old.name, new.name))
    if as_json:
        say_json(data)
    else:
        say(comparison.compare_text(data))
    if exit_code and not data["same"]:
        sys.exit(1)


@cli.command("explain-size")
@click.argument("reference")
@with_options(PROFILE, PLATFORM, AS_JSON)
@click.pass_context
def explain_size(
    context: click.Context, reference: str, profile: str, platform: str | None, as_json: bool
) -> None:
    """Show where an image's bytes are: by layer, by package, by type of file.

    REFERENCE is the name of an image with an image.yaml (as `build` left it), or whatever `audit` takes.
    """
    from builder import sizes
    from builder.finding import Wanted, found

    wanted = Wanted(profile=profile, platform=platform)
    with found(workplace(context, locked=True), reference, wanted) as one:
        data = sizes.sizes(one.image, one.name)
    if as_json:
        say_json(data)
    else:
        say(sizes.sizes_text(data))


@cli.command()
@click.argument("control")
@AS_JSON
def explain(control: str, as_json: bool) -> None:
    """Print what a control demands, why, and which published rules it answers to."""
    from builder import show

    data = show.control_data(control)
    if as_json:
        say_json(data)
    else:
        say(show.control_text(data))


@cli.group()
def profile() -> None:
    """Compare profiles, and check one that you write."""


@profile.command("diff")
@click.argument("first")
@click.argument("second")
@AS_JSON
@click.pass_context
def profile_diff(context: click.Context, first: str, second: str, as_json: bool) -> None:
    """Say what changes for an image that goes from profile FIRST to SECOND."""
    from builder import profiles
    from builder.workplace import today

    data = profiles.diff(workplace(context).workspace, first, second, today())
    if as_json:
        say_json(data)
    else:
        say(profiles.diff_text(data))


@profile.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@AS_JSON
@click.pass_context
def profile_check(context: click.Context, file: Path, as_json: bool) -> None:
    """Say whether a profile is sound, with all that it extends; every problem at once where it isn't."""
    from builder import profiles
    from builder.workplace import today

    data = profiles.check(workplace(context).workspace, file, today())
    if as_json:
        say_json(data)
    else:
        say(profiles.check_text(data))


@cli.command()
@click.argument("kind", type=click.Choice(["image", "profile"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of image.yaml or of a profile, for editors."""
    from builder.config.schema import schema as schema_of
    from builder.controls.catalogue import BY_KEY

    say_json(schema_of(kind, BY_KEY))


@cli.command()
def store() -> None:
    """Print the folder that downloads and unpacked packages are kept in."""
    from builder.packages.store import Store

    say(str(Store.default().root))
