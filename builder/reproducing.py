"""`temper reproduce`: a published image built again from its sources, and held against what was published."""

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from builder.errors import InputError
from builder.image.first_difference import first_difference
from builder.image.layout import find_image
from builder.image.stored import Stored
from builder.image.streams import Span
from builder.inputs import described
from builder.model.plan import Plan
from builder.pipeline import build
from builder.registry.credentials import find_credentials
from builder.registry.name import Reference
from builder.registry.pull import Found, find, referring
from builder.registry.push import reaching
from builder.signing import cosign
from builder.stages import LAYOUT, Options
from builder.supply.provenance import BUILD_TYPE, PREDICATE
from builder.workplace import EPOCH, Workplace
from builder.workplace import plan as make_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    reference: Reference
    platform: str
    published: str
    """Digest of the image that the registry has."""
    rebuilt: str
    difference: str = ""
    """The first one, in words; empty where there is none."""

    @property
    def same(self) -> bool:
        return self.published == self.rebuilt


def reproduce(place: Workplace, reference: Reference, platform: str) -> Reproduced:
    """Builds with the lock and the sources that lie here; they must be those that the provenance names.

    Raises `InputError` where there is no provenance of ours or other sources lie here, `NetworkError`, and
    what a build raises.
    """
    place.progress.stage(f"asking for the provenance of {reference}")
    found, statement = asyncio.run(_asked(reference, platform))
    asked = statement["predicate"]["buildDefinition"]["externalParameters"]
    if asked["platform"] != platform:  # a tag of one image alone says nothing of its platform
        raise InputError(
            f"'{reference}': is for '{asked['platform']}', not for '{platform}'; name it by --platform"
        )
    plan = make_plan(place, asked["image"], asked["profile"])
    refuse_other_sources(place, plan, statement)
    with tempfile.TemporaryDirectory(prefix="temper-reproduce-") as name, epoch(asked):
        folder = Path(name) / "build"
        locked = replace(place, locked=True)
        built = build(locked, plan, Options(output=folder, platform=platform, engine="none", anew=True))
        done = Reproduced(
            reference=reference, platform=platform, published=found.digest, rebuilt=built.report.digest
        )
        if done.same:
            return done
        place.progress.stage("looking for the first difference")
        said = asyncio.run(_difference(reference, found, find_image(folder / LAYOUT, platform), Path(name)))
        return replace(done, difference=said)


async def _asked(reference: Reference, platform: str) -> tuple[Found, dict[str, Any]]:
    credentials = find_credentials(reference.host)
    async with reaching(reference, credentials, f"reproducing '{reference}'") as registry:
        found = await find(registry, platform)
        for data in await referring(registry, found.digest, cosign.STATEMENT_TYPE):
            if (statement := ours(data, found.digest)) is not None:
                return found, statement
    raise InputError(f"'{reference}': has no provenance that Temper wrote; publish it again")


def ours(data: bytes, digest: str) -> dict[str, Any] | None:
    """The provenance of exactly this image, where a build of Temper's is told."""
    try:
        found: dict[str, Any] = json.loads(data)
        definition = found["predicate"]["buildDefinition"]
        asked = definition["externalParameters"]
        right = (
            found["predicateType"] == PREDICATE
            and definition["buildType"] == BUILD_TYPE
            and digest in cosign.subject_digests(found)
            and all(isinstance(asked[name], str) for name in ("image", "profile", "platform"))
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if right else None


def refuse_other_sources(place: Workplace, plan: Plan, statement: dict[str, Any]) -> None:
    """One's own files are compared by what comes out: their bytes stand in the layers."""
    rows = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    named = {row["name"]: row["digest"]["sha256"] for row in rows}
    here = {one.name: one.sha256 for one in described(place.workspace, plan)}
    other = [name for name, sha256 in here.items() if named.get(name, sha256) != sha256]
    other += [name for name in here if name not in named]
    if other:
        raise InputError(
            [f"{name}: is not the one that the image was built from; check out its commit" for name in other]
        )


@contextmanager
def epoch(asked: Mapping[str, Any]) -> Iterator[None]:
    """As it was set for the build."""
    before = os.environ.pop(EPOCH, None)
    if "source-date-epoch" in asked:
        os.environ[EPOCH] = str(int(asked["source-date-epoch"]))
    try:
        yield
    finally:
        os.environ.pop(EPOCH, None)
        if before is not None:
            os.environ[EPOCH] = before


async def _difference(reference: Reference, theirs: Found, ours: Stored, folder: Path) -> str:
    """The first differing layer, file and byte; else what differs in the config."""
    credentials = find_credentials(reference.host)
    async with reaching(reference, credentials, f"reproducing '{reference}'") as registry:
        for number, (layer, own) in enumerate(zip(theirs.manifest.layers, ours.layers, strict=False), 1):
            if layer.digest != own.name:
                path = folder / "theirs"
                with path.open("w+b") as file:
                    await registry.save(layer.digest, layer.size, file)
                span = Span(path=path, offset=0, size=layer.size, name=layer.digest)
                return f"layer {number}: {first_difference(span, own)}"
        if len(theirs.manifest.layers) != len(ours.layers):
            return f"it has {len(theirs.manifest.layers)} layers, ours {len(ours.layers)}"
        config = theirs.manifest.config
        return _in_config(await registry.blob(config.digest, config.size), ours.config)


def _in_config(theirs: bytes, ours: bytes) -> str:
    one, other = json.loads(theirs), json.loads(ours)
    for name in sorted({*one, *other}):
        if one.get(name) != other.get(name):
            return (
                f"config: {name}: theirs is {json.dumps(one.get(name))}, ours {json.dumps(other.get(name))}"
            )
    return "the manifest: its annotations or media types"


def as_data(done: Reproduced) -> dict[str, Any]:
    return {
        "reference": str(done.reference),
        "platform": done.platform,
        "published": done.published,
        "rebuilt": done.rebuilt,
        "reproduced": done.same,
        "difference": done.difference or None,
    }


def as_text(done: Reproduced) -> str:
    if done.same:
        return f"{done.reference}, {done.platform}: reproduced, {done.rebuilt}"
    return (
        f"{done.reference}, {done.platform}: NOT reproduced\n"
        f"  published {done.published}\n"
        f"  rebuilt   {done.rebuilt}\n"
        f"  first difference: {done.difference}"
    )
