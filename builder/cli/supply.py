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
    from builder.signing.verifying import Verifier

PASSPHRASE = "TEMPER_PASSPHRASE"  # noqa: S105 - a variable's name
FILE = click.Path(path_type=Path)
TRUSTED_ROOT = click.option(
    "--trusted-root", type=FILE, help="What a Sigstore is trusted by; default: the public one's."
)


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
    "--keyless", is_flag=True, help="Sign as who you are, by a token of your CI system or identity provider."
)
@click.option(
    "--identity-token",
    type=FILE,
    help="File with a token; default: SIGSTORE_ID_TOKEN, or the CI system's.",
)
@TRUSTED_ROOT
@click.option(
    "--signing-config", type=FILE, help="Where certificate authority and log are; default: the public ones."
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
    seal = seal_of(**{name: options[name] for name in SEALING})
    done = run(place, make_plan(place, image, profile), name, options["platforms"], seal)
    answer(as_data(done) if as_json else done, as_text, as_json)  # type: ignore[arg-type]


SEALING = ("key", "bundles", "keyless", "identity_token", "trusted_root", "signing_config")


def seal_of(*, key: Path | None, bundles: bool, keyless: bool, **files: Path | None) -> "Seal | None":
    """`None` where nothing is to be signed. Raises `InputError` for options that don't go together."""
    from builder.errors import InputError

    if key is not None and keyless:
        raise InputError("--key: signs with a key, and --keyless without one; give one of them")
    if keyless:
        return keyless_seal(**files)
    if stray := next((name for name, file in files.items() if file is not None), None):
        raise InputError(f"--{stray.replace('_', '-')}: is for signing without a key; add --keyless")
    if key is None and bundles:
        raise InputError("--bundles: says how to sign; name a key by --key")
    return key_seal(key, bundled=bundles) if key is not None else None


def key_seal(key: Path, *, bundled: bool) -> "Seal":
    from builder.signing.keys import SigningKey
    from builder.signing.sealing import Sealing

    return Sealing(SigningKey(key, passphrase(confirm=False)), bundled=bundled)


def keyless_seal(
    *, identity_token: Path | None, trusted_root: Path | None, signing_config: Path | None
) -> "Seal":
    from builder.signing import trust

    trust.need_library()
    from builder.signing.keyless import Keyless
    from builder.signing.tokens import find_token

    token = find_token(identity_token)
    return Keyless(token, trust.find_instance(trusted_root, signing_config))


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
@click.option("--key", type=FILE, help="The public key.")
@click.option("--identity", help="Who has to have signed: an e-mail address, or the URI of a workflow.")
@click.option(
    "--identity-regexp", metavar="REGEXP", help="The same, where it changes; must match all of the name."
)
@click.option("--issuer", help="The URL of the identity provider that vouches for the name.")
@TRUSTED_ROOT
@AS_JSON
def verify_signature(reference: str, as_json: bool, **options: Any) -> None:
    """Say whether a published image is signed by a key or an identity, and what is attested of it.

    Every image of an index is looked at. Exit code 1 where one of them is not signed. With --trusted-root
    nothing but the registry is asked.
    """
    from builder.registry.name import parse
    from builder.signatures import as_data, as_text, verify

    found = verify(parse(reference), verifier(**options))
    answer(as_data(found) if as_json else found, as_text, as_json)  # type: ignore[arg-type]
    if not found.signed:
        sys.exit(1)


def verifier(*, key: Path | None, trusted_root: Path | None, **names: str | None) -> "Verifier":
    """Raises `InputError` unless exactly one is meant: a key, or an identity with its issuer."""
    from builder.errors import InputError
    from builder.signing.keys import VerifyingKey
    from builder.signing.verifying import ByKey

    if key is None:
        return by_identity(trusted_root, **names)
    if stray := next(
        (name for name, value in {**names, "trusted-root": trusted_root}.items() if value), None
    ):
        raise InputError(f"--{stray.replace('_', '-')}: is for signatures without a key; leave out --key")
    return ByKey(VerifyingKey.read(key))


def by_identity(
    trusted_root: Path | None, *, identity: str | None, identity_regexp: str | None, issuer: str | None
) -> "Verifier":
    from builder.signing import trust
    from builder.signing.identity import ByIdentity, wanted

    who = wanted(identity, identity_regexp, issuer)
    trust.need_library()
    return ByIdentity(who, trust.find_root(trusted_root))


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
