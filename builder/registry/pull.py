"""What a registry has under a name: an image, and what others said of it.

Source: OCI distribution-spec 1.1, "Listing Referrers", "Unavailable referrers API".
"""

import json
from dataclasses import dataclass
from typing import Any

from builder.errors import InputError
from builder.image.config import INDEX, MANIFEST
from builder.image.documents import Descriptor, Index, Manifest, check, parse
from builder.packages.session import RefusedError
from builder.registry.client import Asked, Registry, digest_of

MOST = 1000
"""Referrers of one image that are looked at."""
LARGEST = 64 << 20
"""Bytes of one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An image of one platform."""

    digest: str
    manifest: Manifest


async def find(registry: Registry, platform: str) -> Found:
    """What the tag means for a platform. Raises `InputError` where it means nothing."""
    reference = registry.reference
    data = await registry.manifest(reference.tag, (INDEX, MANIFEST))
    if data is None:
        raise InputError(f"'{reference}': the registry has no such tag")
    if b'"manifests"' in data:
        index = parse(Index, data, f"'{reference}'")
        chosen = next((one for one in index.manifests if str(one.platform) == platform), None)
        if chosen is None:
            there = ", ".join(sorted(str(one.platform) for one in index.manifests))
            raise InputError(f"'{reference}': holds no image for '{platform}'; it holds: {there}")
        data = await registry.manifest(chosen.digest, (MANIFEST,))
        if data is None:
            raise RefusedError(f"the registry lacks {chosen.digest}, which its own index names")
    return Found(digest=digest_of(data), manifest=parse(Manifest, data, f"'{reference}'"))


async def referring(registry: Registry, digest: str, kind: str) -> tuple[bytes, ...]:
    """The files of an artifact type that refer to an image."""
    rows = [row for row in await listed(registry, digest) if row.get("artifactType") == kind][:MOST]
    place = f"'{registry.reference}': {digest}: referrers"
    found = []
    for row in rows:
        one = check(Descriptor, row, place)
        data = await registry.manifest(one.digest, (MANIFEST,))
        if data is None:  # the list is kept by who pushes: it may name what was deleted
            continue
        first = next(iter(parse(Manifest, data, place).layers), None)
        if first is not None and first.size <= LARGEST:
            found.append(await registry.blob(first.digest, first.size))
    return tuple(found)


async def listed(registry: Registry, digest: str) -> list[dict[str, Any]]:
    """What refers to an image, by the API, else by the tag that stands in for it."""
    asked = Asked("GET", registry.url(f"referrers/{digest}"), headers={"Accept": INDEX})
    answer = await registry.persist(asked, (200, 400, 404, 405))
    data = answer.content if answer.status_code == 200 else None
    if data is None:
        data = await registry.manifest(digest.replace(":", "-"), (INDEX,))
    if data is None:
        return []
    parse(Index, data, f"'{registry.reference}': {digest}: referrers")
    return [row for row in json.loads(data)["manifests"] or [] if isinstance(row, dict)]
