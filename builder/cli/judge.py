"""The verbs that judge a finished image, ours or any other, and make others as they should be."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.answers import present, say
from builder.cli.group import bundled, cli, workplace
from builder.cli.options import BUNDLE, FAIL_ON, FORMAT, OFFLINE, OUTPUT, PLATFORM, PROFILE, with_options

if TYPE_CHECKING:
    from builder.model.report import Report
    from builder.workplace import Workplace


@cli.command()
@click.argument("reference")
@with_options(PROFILE, OUTPUT, PLATFORM, FORMAT, FAIL_ON, OFFLINE, BUNDLE)
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
    bundle: Path | None,
    structure_tests: tuple[Path, ...],
    **options: Any,
) -> None:
    """Look at a finished image, every layer of it: one of ours, or any other.

    REFERENCE is the name of an image with an image.yaml (OUTPUT is where `build` wrote it then), a folder
    with an OCI layout, an archive of `docker save` or of a layout, or the name of an image or a container
    of the engine; oci:, docker-archive:, oci-archive:, docker: and container: before it say which.
    """
    place = workplace(context, locked=True, offline=offline)
    place = bundled(context, place, bundle, reference, profile, options["platform"])
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
    from builder.hardening import Options
    from builder.hardening import harden as run
    from builder.verify.text import changes_text

    if options["dry_run"] and options["tag"]:
        raise click.UsageError("--dry-run writes nothing that --tag could name")
    done = run(workplace(context, locked=True), reference, profile, Options(**options))
    if form == "text":
        say(changes_text(done.report))
    present(done.report, form, done.folder, fail_on)


@cli.command()
@click.argument("image")
@with_options(PROFILE, OUTPUT, PLATFORM, FORMAT, BUNDLE)
@click.option(
    "--gpu",
    default="",
    metavar="WHICH",
    help="Look at its GPU too: rehearsal (a stub driver, on any machine), all, an index or a UUID.",
)
@click.option(
    "--cdi",
    type=click.Path(path_type=Path),
    default=None,
    metavar="SPEC",
    help="With --gpu: the CDI specification to inject by, in the place of the host's own way.",
)
@click.pass_context
def verify(context: click.Context, /, image: str, profile: str, form: str, **options: Any) -> None:
    """Audit a finished image and run the live suites in a container started by its run contract."""
    from builder.gpu.asked import check

    check(options["gpu"], options["cdi"])
    place = bundled(
        context, workplace(context, locked=True), options.pop("bundle"), image, profile, options["platform"]
    )
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
