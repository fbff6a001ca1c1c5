"""The SBOM files beside an image: written when it is built, found again by what it consists of, read back.

Making both documents takes most of a second, nearly all of it the libraries'. So a document is kept in the
store by what it is about, and what one package contributes to it by that package.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from builder.image.assemble import link_blob
from builder.image.folder import replaced_as_a_whole
from builder.model.image import Image
from builder.model.lock import LockedPlatform
from builder.model.plan import Plan
from builder.model.report import SbomRow
from builder.model.sbom import CYCLONEDX, FILES, SPDX, StatedSbom
from builder.packages.store import Store
from builder.stages import SBOM
from builder.supply.naming import recipe
from builder.supply.stated import said

if TYPE_CHECKING:
    from builder.supply.graph import Graph

DOCUMENTS, PARTS, STATED = "sbom-1", "sbom-part-1", "sbom-stated-1"
"""Kinds of the store's records; counted up when their form changes."""
LARGEST = 256 << 20
"""Bytes of a document that is read back; one of a hundred thousand files has 90 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bills:
    """Both documents as blobs of the store, and what they account for."""

    spdx: str
    cyclonedx: str
    row: SbomRow


def write_bills(store: Store, plan: Plan, image: Image, lock: LockedPlatform, folder: Path) -> SbomRow:
    """Puts both documents into `folder`, whole or not at all. `image` is as composed, with its digest."""
    key = _key(plan, image, lock)
    return linked(store, _known(store, key) or _made(store, key, image, plan, lock), folder)


def write_foreign_bills(store: Store, image: Image, name: str, folder: Path) -> SbomRow:
    """The same of an image that others built, as it was read back: what its own records claim."""
    from builder.image.packed import digests_of  # noqa: PLC0415 - few harden
    from builder.supply.collect import of_foreign  # noqa: PLC0415

    graph = of_foreign(image, name, digests_of(image.rootfs.files(), "sha1"))
    blobs = {form: _stored(store, document(graph, form, keeping(store))) for form in FILES}
    return linked(store, Bills(spdx=blobs[SPDX], cyclonedx=blobs[CYCLONEDX], row=graph.coverage), folder)


def linked(store: Store, bills: Bills, folder: Path) -> SbomRow:
    """Both documents under their names, whole or not at all."""
    with replaced_as_a_whole(folder, store, marker=FILES[SPDX]) as fresh:
        link_blob(store, f"sha256:{bills.spdx}", fresh / FILES[SPDX])
        link_blob(store, f"sha256:{bills.cyclonedx}", fresh / FILES[CYCLONEDX])
    return bills.row


def _key(plan: Plan, image: Image, lock: LockedPlatform) -> str:
    """Everything that a document depends on: who brought a file, the digest doesn't tell."""
    said = [
        *(recipe(), image.digest, plan.image, plan.profile, image.config.created),
        *(lock.model_dump_json(exclude={"toolbox", "held_back"}), [layer.name for layer in image.layers]),
        [(spec.source, spec.target) for spec in plan.spec.files],
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _known(store: Store, key: str) -> Bills | None:
    record = store.record(DOCUMENTS, key)
    if record is None:
        return None
    data = json.loads(record)
    if not (store.has(data[SPDX]) and store.has(data[CYCLONEDX])):
        return None
    return Bills(spdx=data[SPDX], cyclonedx=data[CYCLONEDX], row=SbomRow.model_validate_json(data["row"]))


def _made(store: Store, key: str, image: Image, plan: Plan, lock: LockedPlatform) -> Bills:
    from builder.supply.collect import of_built  # noqa: PLC0415 - a known document needs none of it

    graph = of_built(image, lock, plan.image, plan.profile)
    blobs = {form: _stored(store, document(graph, form, keeping(store))) for form in FILES}
    data = {**blobs, "row": graph.coverage.model_dump_json()}
    store.write_record(DOCUMENTS, key, json.dumps(data).encode())
    return Bills(spdx=blobs[SPDX], cyclonedx=blobs[CYCLONEDX], row=graph.coverage)


def document(graph: "Graph", form: str, kept: Callable[[str, Callable[[], str]], str]) -> Iterator[str]:
    """One of `FILES`, in pieces of text."""
    if form == SPDX:
        from builder.supply.spdx import write as spdx  # noqa: PLC0415 - each library takes 0.2 s to import

        return spdx(graph, kept)
    from builder.supply.cyclonedx import write as cyclonedx  # noqa: PLC0415

    return cyclonedx(graph, kept)


def keeping(store: Store) -> Callable[[str, Callable[[], str]], str]:
    """The parts that a store knows."""

    def kept(key: str, make: Callable[[], str]) -> str:
        known = store.record(PARTS, key)
        if known is not None:
            return known.decode()
        text = make()
        store.write_record(PARTS, key, text.encode())
        return text

    return kept


def _stored(store: Store, pieces: Iterable[str]) -> str:
    with store.writer() as writer:
        for piece in pieces:
            writer.write(piece.encode())
    return writer.sha256


def stated(store: Store, folder: Path) -> tuple[StatedSbom, ...]:
    """What the documents beside a layout say, whoever wrote them last."""
    return tuple(_stated(store, folder / SBOM / file, f"{SBOM}/{file}") for file in FILES.values())


def _stated(store: Store, path: Path, called: str) -> StatedSbom:
    try:
        if path.stat().st_size > LARGEST:
            return StatedSbom(file=called, problem=f"has more than {LARGEST} bytes")
        with path.open("rb") as stream:
            key = hashlib.file_digest(stream, "sha256").hexdigest()
            record = store.record(STATED, key)
            if record is None:
                stream.seek(0)
                record = json.dumps(said(stream)).encode()
                store.write_record(STATED, key, record)
    except FileNotFoundError:
        return StatedSbom(file=called, problem="is missing")
    except OSError as error:
        return StatedSbom(file=called, problem=f"can't be read: {str(error.strerror).lower()}")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return StatedSbom(file=called, problem="is no SBOM that can be read")
    digest, packages = json.loads(record)
    return StatedSbom(file=called, digest=digest, packages=frozenset(map(tuple, packages)))
