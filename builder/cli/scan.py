"""The verb that asks vulnerability scanners about a finished image."""

import sys
from typing import TYPE_CHECKING

import click

from builder.cli.answers import answer
from builder.cli.group import cli, workplace
from builder.cli.options import AS_JSON, OFFLINE, PLATFORM, PROFILE, with_options

if TYPE_CHECKING:
    from builder.model.scan import ScannerName


@cli.command()
@click.argument("reference")
@with_options(PROFILE, PLATFORM)
@click.option(
    "--scanner",
    "scanners",
    type=click.Choice(["built-in", "trivy", "grype"]),
    multiple=True,
    help="Run only this one; may be given several times. Default: those that the profile requires, the "
    "built-in one, and trivy and grype where they are on the PATH.",
)
@click.option(
    "--update", is_flag=True, help="Let trivy and grype fetch their database first; else they get no network."
)
@with_options(OFFLINE, AS_JSON)
@click.pass_context
def scan(
    context: click.Context,
    reference: str,
    profile: str,
    platform: str | None,
    scanners: "tuple[ScannerName, ...]",
    update: bool,
    offline: bool,
    as_json: bool,
) -> None:
    """Look for known vulnerabilities in a finished image, and hold them against the profile.

    REFERENCE is the name of an image with an image.yaml (as `build` left it), or whatever `audit` takes. What
    fails is the profile's to say, under `scan:`; the only way to excuse a finding is a VEX statement. Exit
    code 1 where the gate fails: also where a scanner could not assess the image.
    """
    from builder.named import Wanted
    from builder.scan.told import as_data, as_text
    from builder.scanning import Asked
    from builder.scanning import scan as run

    asked = Asked(wanted=Wanted(profile=profile, platform=platform), scanners=scanners, update=update)
    done = run(workplace(context, locked=True, offline=offline), reference, asked)
    answer(as_data(done) if as_json else done, as_text, as_json)  # type: ignore[arg-type]
    if not done.verdict.passed:
        sys.exit(1)
