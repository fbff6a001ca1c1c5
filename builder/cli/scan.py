"""The verb that asks vulnerability scanners about a finished image."""

import sys
from typing import TYPE_CHECKING

import click

from builder.cli.answers import answer, say
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
@click.option(
    "--propose-vex",
    "propose",
    is_flag=True,
    help="Print VEX statements for packages of which the image holds no file, for you to sign and keep.",
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
    propose: bool,
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

    if update and offline:
        raise click.UsageError("--update fetches a database, and --offline keeps off the network")
    wanted = Wanted(profile=profile, platform=platform)
    asked = Asked(wanted=wanted, scanners=scanners, update=update, propose=propose)
    done = run(workplace(context, locked=True, offline=offline), reference, asked)
    if propose and not as_json:
        say(done.proposed, end="")
    else:
        answer(as_data(done) if as_json else done, as_text, as_json)  # type: ignore[arg-type]
    if not done.verdict.passed:
        sys.exit(1)
