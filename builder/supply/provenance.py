"""How an image came about: an in-toto statement with SLSA provenance, of everything that went in. Pure.

What it says is what the build knew; who says it is for a signature to prove. Unsigned, or signed on the
machine that built, it is SLSA build level 1: it exists. Level 2 takes a hosted builder that signs by itself.
Source: SLSA 1.1, provenance/v1; in-toto attestation framework, Statement v1; package-url specification.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from builder import __version__
from builder.image.config import compact
from builder.model.lock import LockedIndex, LockedPackage, LockedPlatform, LockedWheel

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:temper:build:1"
UNHOSTED = "urn:temper:builder:unhosted"
"""Somebody's own machine: nobody but the signature vouches for it."""
_UNQUOTED = ".-~_:"
"""What stands in a purl as it is, besides letters and digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A file that went in, by the name that people know it by."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """A build."""

    image: str
    profile: str
    platform: str
    name: str
    """What the image is called: `temper/python:hardened`."""
    digest: str
    """`sha256:...` of its manifest."""
    sources: tuple[Input, ...]
    """image.yaml, the profiles, the lock, one's own files."""
    indexes: tuple[LockedIndex, ...]
    section: LockedPlatform
    distribution: str
    """`debian-13`, as purls have it."""
    epoch: int | None
    """SOURCE_DATE_EPOCH, where somebody has set it."""
    libraries: tuple[tuple[str, str], ...]
    """Name and version of what the bytes depend on besides Temper."""
    builder: str = UNHOSTED
    """A URI."""


def provenance(making: Making) -> bytes:
    """The statement. The same build gives the same bytes: it holds no time, no host, no secret."""
    data = {
        "_type": STATEMENT,
        "subject": [{"name": making.name, "digest": _digest(making.digest.removeprefix("sha256:"))}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": _external(making),
                "internalParameters": {"libraries": dict(making.libraries)},
                "resolvedDependencies": list(_dependencies(making)),
            },
            "runDetails": {
                "builder": {"id": making.builder, "version": {"temper": __version__}},
                "metadata": {},
            },
        },
    }
    return compact(data)


def _external(making: Making) -> dict[str, Any]:
    found: dict[str, Any] = {
        "image": making.image,
        "profile": making.profile,
        "platform": making.platform,
    }
    return found if making.epoch is None else {**found, "source-date-epoch": making.epoch}


def _dependencies(making: Making) -> Iterator[dict[str, Any]]:
    yield from map(_resource, sorted(making.sources, key=lambda one: one.name))
    for index in making.indexes:
        yield {
            "name": f"{index.archive} {index.suite} InRelease",
            "digest": _digest(index.sha256),
            "annotations": {"date": index.date, "signed-by": list(index.signed_by)},
        }
    for package in making.section.packages:
        yield {
            "uri": deb_purl(package, making.distribution),
            "name": package.path.rpartition("/")[2],
            "digest": _digest(package.sha256),
        }
    for wheel in making.section.wheels:
        yield {"uri": wheel_purl(wheel), "name": wheel.filename, "digest": _digest(wheel.sha256)}


def _resource(one: Input) -> dict[str, Any]:
    return {"name": one.name, "digest": _digest(one.sha256)}


def _digest(sha256: str) -> dict[str, str]:
    return {"sha256": sha256}


def deb_purl(package: LockedPackage, distribution: str) -> str:
    vendor = distribution.partition("-")[0]
    qualifiers = f"arch={_quoted(package.architecture)}&distro={_quoted(distribution)}"
    return f"pkg:deb/{_quoted(vendor)}/{_quoted(package.name)}@{_quoted(package.version)}?{qualifiers}"


def wheel_purl(wheel: LockedWheel) -> str:
    return f"pkg:pypi/{_quoted(wheel.name)}@{_quoted(wheel.version)}"


def _quoted(text: str) -> str:
    return quote(text, safe=_UNQUOTED)
