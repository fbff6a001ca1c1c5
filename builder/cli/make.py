"""The verbs that make something: from what can be made to the built image."""

import sys
from pathlib import Path
from typing import Any

import click

from builder.cli.answers import answer, present, say, say_json
from builder.cli.group import bundled, cli, workplace
from builder.cli.options import AS_JSON, BUNDLE, LOCKED, OFFLINE, OUTPUT, PLATFORM, PROFILE, with_options


@cli.command("list")
@click.option("--names", is_flag=True, help="Only the images' names, one a line.")
@click.option("--here", is_flag=True, help="Only what stands below the working directory.")
@AS_JSON
@click.pass_context
def list_(context: click.Context, names: bool, here: bool, as_json: bool) -> None:
    """List the images and profiles that can be built here."""
    from builder import show

    workspace = workplace(context).workspace
    listing = show.listing(workspace)
    if here:
        listing = show.below(listing, workspace.cwd)
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
@click.argument("images", nargs=-1)
@PROFILE
@click.option("--upgrade", is_flag=True, help="Move everything to what the archive and the index hold now.")
@click.option(
    "--security-only",
    is_flag=True,
    help="With --upgrade: only packages with a fix in the archive of security updates, and what they need.",
)
@click.option("--exit-code", is_flag=True, help="End with 1 where a lock was written.")
@AS_JSON
@click.pass_context
def lock(
    context: click.Context,
    images: tuple[str, ...],
    profile: str,
    upgrade: bool,
    security_only: bool,
    exit_code: bool,
    as_json: bool,
) -> None:
    """Lock the packages and wheels of IMAGES, and print what moved.

    Without IMAGES: of all that have a lock below ./images.

    What is locked and still fits stays as it is: a package moves where image.yaml asks for it, where its
    version is gone from the mirror, or by --upgrade. A lock in which nothing moves is not written.
    """
    from builder import freshness
    from builder.model.lock import Moving
    from builder.workplace import plan as make_plan

    if security_only and not upgrade:
        raise click.UsageError("--security-only says what --upgrade is to move; add --upgrade")
    place = workplace(context)
    moving = Moving.SECURITY if security_only else Moving.ALL if upgrade else Moving.NEEDED
    plans = [make_plan(place, name, profile) for name in images or freshness.locked_here(place.workspace)]
    done = [freshness.relocked(place, planned, moving) for planned in plans]
    answer(freshness.locking_data(done) if as_json else done, freshness.locking_text, as_json)  # type: ignore[arg-type]
    if exit_code and any(one.done.written for one in done):
        sys.exit(1)


@cli.command()
@click.argument("images", nargs=-1)
@PROFILE
@click.option("--security-only", is_flag=True, help="Only what stands in the archive of security updates.")
@AS_JSON
@click.pass_context
def outdated(
    context: click.Context, images: tuple[str, ...], profile: str, security_only: bool, as_json: bool
) -> None:
    """Say what a new lock of IMAGES would bring; exit 1 where that is something.

    Without IMAGES: of all that have a lock below ./images.

    Nothing is changed: `temper lock --upgrade` does that.
    """
    from builder import freshness
    from builder.workplace import plan as make_plan

    place = workplace(context)
    names = images or freshness.locked_here(place.workspace)
    found = [freshness.freshness(place, make_plan(place, name, profile)) for name in names]
    if security_only:
        found = [freshness.only_security(one) for one in found]
    if as_json:
        say_json(freshness.as_data(found))
    else:
        say(freshness.as_text(found))
    if any(one.newer for one in found):
        sys.exit(1)


@cli.command()
@click.argument("image")
@with_options(PROFILE, PLATFORM, LOCKED, OFFLINE, BUNDLE)
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
    bundle: Path | None,
    output: Path,
) -> None:
    """Write the definition: Dockerfile, layers and run contract, a complete build context."""
    from builder.pipeline import render as write
    from builder.workplace import plan as make_plan

    place = workplace(context, offline=offline, locked=locked)
    place = bundled(context, place, bundle, image, profile, platform)
    write(place, make_plan(place, image, profile), platform, output)
    say(str(output))


@cli.command()
@click.argument("image")
@with_options(PROFILE, OUTPUT, PLATFORM, LOCKED, OFFLINE, BUNDLE)
@click.option(
    "--engine",
    type=click.Choice(["auto", "docker", "none"]),
    envvar="ENGINE",
    default="auto",
    show_default=True,
    help="auto: load the layout where an engine answers; docker: let the engine build it; none: no engine.",
)
@click.option("--verify", is_flag=True, help="Run the live suites too, where an engine answers.")
@click.option(
    "--anew", is_flag=True, help="Compose, harden and audit everything, whatever the build before came to."
)
@AS_JSON
@click.pass_context
def build(context: click.Context, /, image: str, profile: str, as_json: bool, **options: Any) -> None:
    """Build, harden and audit an image; load it where an engine answers."""
    from builder.pipeline import build as run
    from builder.stages import Options
    from builder.workplace import plan as make_plan

    place = workplace(context, offline=options.pop("offline"), locked=options.pop("locked"))
    place = bundled(context, place, options.pop("bundle"), image, profile, options["platform"])
    built = run(place, make_plan(place, image, profile), Options(**options))
    present(built.report, "json" if as_json else "text", built.folder)


@cli.command()
@click.argument("images", nargs=-1, required=True)
@with_options(PROFILE, LOCKED, OFFLINE)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="OS/ARCH",
    help="May be given several times; default: this machine's.",
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), required=True)
@AS_JSON
@click.pass_context
def bundle(
    context: click.Context,
    images: tuple[str, ...],
    profile: str,
    locked: bool,
    offline: bool,
    platforms: tuple[str, ...],
    output: Path,
    as_json: bool,
) -> None:
    """Write all that IMAGES are built from into one file, for where there is no network.

    Packages, wheels, what live tests bring along, the archive's signed indexes and keys, locks, image.yaml
    with its files, profiles. `temper build IMAGE --bundle FILE` builds from it: the same digest. What several
    images share is in it once. The same inputs give the same bytes.
    """
    from builder.bundling import as_data, as_text
    from builder.bundling import bundle as run
    from builder.workplace import plan as make_plan

    place = workplace(context, offline=offline, locked=locked)
    plans = [make_plan(place, name, profile) for name in dict.fromkeys(images)]
    done = run(place, plans, platforms, output)
    answer(as_data(done) if as_json else done, as_text, as_json)  # type: ignore[arg-type]
