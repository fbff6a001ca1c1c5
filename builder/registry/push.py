"""Images and what belongs to them, into a registry: blobs first, then manifests by digest, the tag last.

Whoever pulls the tag meanwhile gets the image before this one, whole.
Source: OCI distribution-spec 1.1, "Pushing manifests with subject", "Unavailable referrers API".
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from builder.errors import NetworkError
from builder.image.config import INDEX, MANIFEST, compact
from builder.image.documents import Index, parse
from builder.packages.session import RefusedError, open_client
from builder.progress import Progress, Silent
from builder.registry.access import Access
from builder.registry.client import Asked, Registry, authorities
from builder.registry.credentials import Credentials
from builder.registry.name import Reference
from builder.registry.pull import listed
from builder.registry.upload import Blob, Upload, is_there

WORKERS = 4
EMPTY = Blob.of(b"{}")
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
"""The config of an artifact that has none (image-spec 1.1, manifest.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A manifest or an index."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file about an image: a bill of materials, a report."""

    artifact_type: str
    """What it is: `application/spdx+json`."""
    media_type: str
    file: Blob
    created: str
    """RFC 3339: of the image, so that the same artifact has the same digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """An image of one platform."""

    platform: str
    manifest: Document
    blobs: tuple[Blob, ...]
    """Its config and layers."""
    artifacts: tuple[Artifact, ...] = ()
    statements: tuple[bytes, ...] = ()
    """What is attested of it, where it is signed: in-toto statements."""


@dataclass(slots=True)
class Sent:
    """What a push came to."""

    blobs: int = 0
    size: int = 0
    """Bytes of those that the registry lacked."""
    there: int = 0
    """Blobs that it had."""
    referrers: list[str] = field(default_factory=list)
    """Digests of the artifacts' manifests."""


Subjects = Sequence[tuple[Document, tuple[bytes, ...]]]
"""Manifests to sign, and what is stated of each."""


class Seal(Protocol):
    """What signs: `signing.sealing.Sealing`, `signing.keyless.Keyless`."""

    @property
    def identity(self) -> str | None:
        """Who has signed, where it is no key."""

    async def prepare(self, registry: Registry, subjects: Subjects) -> None:
        """Whatever can fail before a byte is sent."""

    async def seal(self, pushing: "Pushing", subject: Document) -> None:
        """Signatures beside an image that is there."""


def push(
    images: Sequence[Pushed],
    reference: Reference,
    credentials: Credentials | None,
    progress: Progress,
    seal: Seal | None = None,
) -> tuple[Document, Sent]:
    """What the tag means now, and what was sent for it.

    Raises `NetworkError` where the registry refuses or can't be reached, `ArchiveError` for a damaged blob;
    the tag is then where it was.
    """
    return asyncio.run(_push(images, reference, credentials, progress, seal))


async def _push(
    images: Sequence[Pushed],
    reference: Reference,
    credentials: Credentials | None,
    progress: Progress,
    seal: Seal | None,
) -> tuple[Document, Sent]:
    async with reaching(
        reference, credentials, f"publishing to '{reference}'", "; its tag was not moved"
    ) as registry:
        return await Pushing(registry, progress, seal).all_of(images)


@asynccontextmanager
async def reaching(
    reference: Reference, credentials: Credentials | None, doing: str, consequence: str = ""
) -> AsyncIterator[Registry]:
    """A registry that answers. Turns its refusals into a `NetworkError` that says what was being done."""
    async with open_client(WORKERS, authorities(reference.host)) as client:
        registry = Registry(client, reference, Access(client, reference, credentials))
        try:
            await registry.reach()
            yield registry
        except RefusedError as refused:
            raise NetworkError(f"{doing}: {refused}{consequence}") from None


class Pushing:
    def __init__(self, registry: Registry, progress: Progress, seal: Seal | None = None) -> None:
        self.registry, self._progress, self._seal = registry, progress, seal
        self._sent = Sent()
        self._slots = asyncio.Semaphore(WORKERS)

    async def all_of(self, images: Sequence[Pushed]) -> tuple[Document, Sent]:
        top = images[0].manifest if len(images) == 1 else index_of(images)
        subjects = [(image.manifest, image.statements) for image in images]
        if len(images) > 1:
            subjects.append((top, ()))
        if self._seal is not None:
            await self._seal.prepare(self.registry, subjects)
        await self._blobs(images)
        await together(self.manifest(image.manifest, image.manifest.digest) for image in images)
        if len(images) > 1:
            await self.manifest(top, top.digest)
        for image in images:
            await self._artifacts(image)
        if self._seal is not None:
            for subject, _ in subjects:
                await self._seal.seal(self, subject)
        await self.manifest(top, self.registry.reference.tag)
        return top, self._sent

    async def _blobs(self, images: Sequence[Pushed]) -> None:
        found = {blob.digest: blob for image in images for blob in image.blobs}
        artifacts = [artifact for image in images for artifact in image.artifacts]
        found |= {one.digest: one for artifact in artifacts for one in (artifact.file, EMPTY)}
        lacking: list[Blob] = []

        async def look(blob: Blob) -> None:
            if not await is_there(self.registry, blob):
                lacking.append(blob)

        await together(map(look, found.values()))
        self._sent = Sent(
            blobs=len(lacking), size=sum(blob.size for blob in lacking), there=len(found) - len(lacking)
        )
        if lacking:
            self._progress.expect(self._sent.blobs, self._sent.size, "sent")
        await together(map(self._blob, sorted(lacking, key=lambda blob: -blob.size)))

    async def _blob(self, blob: Blob) -> None:
        async with self._slots:
            await Upload(self.registry, blob, self._progress).send()

    async def blob(self, blob: Blob) -> None:
        """A small one more, unless it is there."""
        if not await is_there(self.registry, blob):
            await Upload(self.registry, blob, Silent()).send()

    async def manifest(self, document: Document, name: str) -> bool:
        """Whether the registry knows what a subject is. Raises `RefusedError` where it misunderstands."""
        headers = {"Content-Type": document.media_type}
        url = self.registry.url(f"manifests/{name}")
        answer = await self.registry.persist(Asked("PUT", url, headers, document.data), (200, 201, 202))
        said = answer.headers.get("Docker-Content-Digest", document.digest)
        if said != document.digest:
            raise RefusedError(f"the registry calls {document.digest} by another digest, {said}")
        return "OCI-Subject" in answer.headers

    async def _artifacts(self, image: Pushed) -> None:
        """One after the other: registries without the referrers API keep them in one index."""
        found = [(referrer(one, image.manifest), one.artifact_type) for one in image.artifacts]
        known = await self._known([entry_of(*one) for one in found], image.manifest)
        for document, kind in found:
            if entry_of(document, kind) not in known:
                await self.refer(document, document.digest, kind, image.manifest)
            self._sent.referrers.append(document.digest)

    async def _known(self, entries: Sequence[dict[str, Any]], subject: Document) -> list[dict[str, Any]]:
        """Of these manifests those that are there, and listed just so."""
        there: list[dict[str, Any]] = []

        async def look(entry: dict[str, Any]) -> None:
            url, accept = self.registry.url(f"manifests/{entry['digest']}"), {"Accept": MANIFEST}
            answer = await self.registry.persist(Asked("HEAD", url, accept), (200, 404))
            if answer.status_code == 200:
                there.append(entry)

        await together(map(look, entries))
        rows = await listed(self.registry, subject.digest) if there else []
        return [entry for entry in there if entry in rows]

    async def refer(self, document: Document, name: str, kind: str, subject: Document) -> None:
        """Puts a manifest that is about `subject`, and lists it where the registry doesn't by itself."""
        if not await self.manifest(document, name):
            await self._listed(document, kind, subject)

    async def _listed(self, document: Document, kind: str, subject: Document) -> None:
        """Under the tag that stands in for the referrers API, beside what others have listed there."""
        tag = subject.digest.replace(":", "-")
        data = await self.registry.manifest(tag, (INDEX,))
        there: list[dict[str, Any]] = []
        if data is not None:
            parse(Index, data, f"'{self.registry.reference.host}': {tag}")
            there = json.loads(data)["manifests"] or []
        others = [one for one in there if one["digest"] != document.digest]
        rows = sorted([*others, entry_of(document, kind)], key=lambda one: str(one["digest"]))
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": rows}
        await self.manifest(Document(media_type=INDEX, data=compact(index)), tag)


async def together(work: Iterable[Coroutine[Any, Any, object]]) -> None:
    """All at once; the first failure ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as problems:
        raise problems.exceptions[0] from None


def index_of(images: Sequence[Pushed]) -> Document:
    """One name for the images of several platforms."""
    rows = []
    for image in sorted(images, key=lambda one: one.platform):
        system, _, architecture = image.platform.partition("/")
        platform = {"os": system, "architecture": architecture}
        rows.append({**image.manifest.descriptor, "platform": platform})
    data = compact({"schemaVersion": 2, "mediaType": INDEX, "manifests": rows})
    return Document(media_type=INDEX, data=data)


def entry_of(document: Document, kind: str) -> dict[str, Any]:
    """How a manifest of an artifact type stands in the list of those that refer to its subject."""
    entry = {**document.descriptor, "artifactType": kind}
    if told := json.loads(document.data).get("annotations"):
        entry["annotations"] = told
    return entry


def referrer(artifact: Artifact, subject: Document) -> Document:
    """The manifest of an artifact about `subject` (image-spec 1.1, "Guidelines for Artifact Usage")."""
    layer = {"mediaType": artifact.media_type, "digest": artifact.file.digest, "size": artifact.file.size}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact.artifact_type,
        "config": {"mediaType": EMPTY_TYPE, "digest": EMPTY.digest, "size": EMPTY.size},
        "layers": [layer],
        "subject": subject.descriptor,
        "annotations": {"org.opencontainers.image.created": artifact.created},
    }
    return Document(media_type=MANIFEST, data=compact(manifest))
