"""The verbs that take an image to others."""

import click

from builder.cli.answers import answer
from builder.cli.group import cli, workplace
from builder.cli.options import AS_JSON, PROFILE, with_options


@cli.command()
@click.argument("image")
@click.argument("reference")
@with_options(PROFILE)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    metavar="OS/ARCH",
    help="May be given several times; default: all that were built.",
)
@AS_JSON
@click.pass_context
def publish(
    context: click.Context,
    image: str,
    reference: str,
    profile: str,
    platforms: tuple[str, ...],
    as_json: bool,
) -> None:
    """Push a built IMAGE to REFERENCE, HOST/REPOSITORY:TAG; the tag moves last.

    Several platforms go under one index. The report is attached to each image. Credentials are those of
    `docker login`: Docker's configuration or its credential helpers.
    """
    from builder.publishing import as_data, as_text
    from builder.publishing import publish as run
    from builder.registry.name import parse
    from builder.workplace import plan as make_plan

    place = workplace(context)
    done = run(place, make_plan(place, image, profile), parse(reference), platforms)
    answer(as_data(done) if as_json else done, as_text, as_json)  # type: ignore[arg-type]
