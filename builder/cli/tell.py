"""The verbs that tell something of images, controls, profiles and Temper itself."""

import sys
from pathlib import Path

import click

from builder.cli.answers import answer, say, say_json
from builder.cli.group import cli, workplace
from builder.cli.options import AS_JSON, PLATFORM, PROFILE, with_options


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

    Each is the name of an image with an image.yaml (as `build` left it), or whatever `audit` takes. Layers,
    packages, config and files are compared, and where report.json and scan.json stand beside both, controls
    and vulnerabilities. Layers are told apart by digest: those that were ever read here are not opened.
    """
    from builder import comparison
    from builder.named import Wanted, named
    from builder.verdicts import told

    place = workplace(context, locked=True)
    wanted = Wanted(profile=profile, platform=platform, by_name=True)
    with named(place, first, wanted) as old, named(place, second, wanted) as new:
        known = [told(one.place, one.image.digest) for one in (old, new)]
        data = comparison.compare(old.image, new.image, (old.name, new.name), (known[0], known[1]))
    answer(data, comparison.compare_text, as_json)
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
    from builder.named import Wanted, named

    wanted = Wanted(profile=profile, platform=platform)
    with named(workplace(context, locked=True), reference, wanted) as one:
        data = sizes.sizes(one.image, one.name)
    answer(data, sizes.sizes_text, as_json)


@cli.command()
@click.argument("reference")
@with_options(PROFILE, PLATFORM)
@click.option(
    "--format",
    "form",
    type=click.Choice(["spdx", "cyclonedx"]),
    default="spdx",
    show_default=True,
    help="SPDX 2.3 or CycloneDX 1.6, as JSON.",
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Default: stdout.")
@click.pass_context
def sbom(
    context: click.Context, reference: str, profile: str, platform: str | None, form: str, output: Path | None
) -> None:
    """Print an image's SBOM: its packages, wheels, licences, and who owns each file.

    REFERENCE is the name of an image with an image.yaml (as `build` left it), or whatever `audit` takes. Of
    an image that others built, it says what that image's own records say, and how much they leave out.
    """
    from builder.named import Wanted
    from builder.sbom import sbom as pieces

    wanted = Wanted(profile=profile, platform=platform)
    for piece in pieces(workplace(context, locked=True), reference, wanted, form, output):
        say(piece, end="")


@cli.command()
@click.argument("control")
@AS_JSON
def explain(control: str, as_json: bool) -> None:
    """Print what a control demands, why, and which published rules it answers to."""
    from builder import show

    data = show.control_data(control)
    answer(data, show.control_text, as_json)


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
    answer(data, profiles.diff_text, as_json)


@profile.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@AS_JSON
@click.pass_context
def profile_check(context: click.Context, file: Path, as_json: bool) -> None:
    """Say whether a profile is sound, with all that it extends; every problem at once where it isn't."""
    from builder import profiles
    from builder.workplace import today

    data = profiles.check(workplace(context).workspace, file, today())
    answer(data, profiles.check_text, as_json)


@cli.command()
@click.argument("kind", type=click.Choice(["image", "profile", "vex"]))
def schema(kind: str) -> None:
    """Print the JSON Schema of image.yaml, of a profile or of a file of vex/, for editors."""
    from builder.config.schema import schema as schema_of
    from builder.controls.catalogue import BY_KEY

    say_json(schema_of(kind, BY_KEY))


@cli.command()
def store() -> None:
    """Print the folder that downloads and unpacked packages are kept in."""
    from builder.packages.store import Store

    say(str(Store.default().root))
