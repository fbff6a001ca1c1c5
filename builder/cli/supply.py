"""The verbs that take an image to others, and that look at what others are given."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.answers import answer, say
from builder.cli.group import cli, workplace
from builder.cli.options import AS_JSON, PLATFORM, PROFILE, with_options

if TYPE_CHECKING:
    from builder.registry.push import Seal

PASSPHRASE = "TEMPER_PASSPHRASE"  # noqa: S105 - a variable's name
FILE = click.Path(path_type=Path)


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
@click.option(
    "--key", type=FILE, help=f"Sign with this private key; its passphrase is asked for, or {PASSPHRASE}."
)
@click.option(
    "--bundles", is_flag=True, help="Sign in the form of Sigstore bundles too, whatever the image has."
)
@AS_JSON
@click.pass_context
def publish(
    context: click.Context, /, image: str, reference: str, profile: str, as_json: bool, **options: Any
) -> None:
    """Push a built IMAGE to REFERENCE, HOST/REPOSITORY:TAG; the tag moves last.

    Several platforms go under one index. The report is attached to each image. Credentials are those of
    `docker login`: Docker's configuration or its credential helpers.
    """
    from builder.publishing import as_data, as_text
    from builder.publishing import publish as run
    from builder.registry.name import parse
    from builder.workplace import plan as make_plan

    place, name = workplace(context), parse(reference)
    seal = key_seal(options["key"], bundled=options["bundles"])
    done = run(place, make_plan(place, image, profile), name, options["platforms"], seal)
    answer(as_data(done) if as_json else done, as_text, as_json)  # type: ignore[arg-type]


def key_seal(path: Path | None, *, bundled: bool) -> "Seal | None":
    """`None` where nothing is to be signed."""
    from builder.errors import InputError
    from builder.signing.keys import SigningKey
    from builder.signing.sealing import Sealing

    if path is not None:
        return Sealing(SigningKey(path, passphrase(confirm=False)), bundled=bundled)
    if bundled:
        raise InputError("--bundles: says how to sign; name a key by --key")
    return None


def passphrase(*, confirm: bool) -> str:
    """From the environment, or from a person at a terminal; never from the command line."""
    found = os.environ.get(PASSPHRASE, "")
    if not found and sys.stdin.isatty():
        found = str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))
    return found


@cli.command("key")
@click.argument("name", type=FILE, default=Path("temper"))
def make_key(name: Path) -> None:
    """Make a key pair to sign images with: NAME.key, encrypted, and NAME.pub for those who verify.

    The passphrase is asked for, or taken from TEMPER_PASSPHRASE.
    """
    from builder.signing.files import write_pair

    say("\n".join(map(str, write_pair(name, passphrase(confirm=True)))))


@cli.command("verify-signature")
@click.argument("reference")
@click.option("--key", type=FILE, required=True, help="The public key.")
@AS_JSON
def verify_signature(reference: str, key: Path, as_json: bool) -> None:
    """Say whether a published image is signed by a key, and what that key attests of it.

    Every image of an index is looked at. Exit code 1 where one of them is not signed.
    """
    from builder.registry.name import parse
    from builder.signatures import as_data, as_text, verify
    from builder.signing.keys import VerifyingKey
    from builder.signing.verifying import ByKey

    found = verify(parse(reference), ByKey(VerifyingKey.read(key)))
    answer(as_data(found) if as_json else found, as_text, as_json)  # type: ignore[arg-type]
    if not found.signed:
        sys.exit(1)


@cli.command()
@click.argument("reference")
@with_options(PLATFORM)
@AS_JSON
@click.pass_context
def reproduce(context: click.Context, reference: str, platform: str | None, as_json: bool) -> None:
    """Build a published image again from its sources, and say whether the digest is the same.

    To be run in a checkout of what it was built from: image.yaml, profiles and lock must be those that its
    provenance names. Exit code 1 where the digests differ; the first differing layer, file and byte is told.
    """
    from builder.registry.name import parse
    from builder.reproducing import as_data, as_text
    from builder.reproducing import reproduce as run
    from builder.workplace import host_platform

    done = run(workplace(context), parse(reference), platform or host_platform())
    answer(as_data(done) if as_json else done, as_text, as_json)  # type: ignore[arg-type]
    if not done.same:
        sys.exit(1)
