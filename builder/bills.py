"""The SBOM files beside an image: written when it is built, found again by what it consists of, read back.

Making both documents takes most of a second, nearly all of it the libraries'. So a document is kept in the
store by what it is about, and what one package contributes to it by that package.
"""

import hashlib
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from builder.image.assemble import link_blob
from builder.image.folder import replaced_as_a_whole
from builder.model.image import Image
from builder.model.lock import LockedPlatform
from builder.model.plan import Plan
from builder.model.report import SbomRow
from builder.model.sbom import CYCLONEDX, FILES, SPDX, StatedSbom
from builder.model.tree import Rootfs
from builder.packages.store import Store
from builder.stages import SBOM
from builder.supply.blanks import Blank, Piece, Values, all_filled, filled
from builder.supply.naming import Kept, recipe
from builder.supply.stated import said

if TYPE_CHECKING:
    from builder.supply.graph import Graph

DOCUMENTS, PARTS, STATED = "sbom-2", "sbom-part-2", "sbom-stated-1"
"""Kinds of the store's records; counted up when their form changes."""
LARGEST = 256 << 20
"""Bytes of a document that is read back; one of a hundred thousand files has 90 MB."""


_PIECE = 1 << 20
Part = tuple[int, int] | Blank
"""Of a document that was written: from where to where it stays as it is; or what is to be filled in anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A blob of the store, and how to write it again for an image that differs in its own files' bytes."""

    blob: str
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bills:
    documents: Mapping[str, Document]
    """By form."""
    row: SbomRow
    """What they account for."""


def write_bills(store: Store, plan: Plan, image: Image, lock: LockedPlatform, folder: Path) -> Bills:
    """Puts both documents into `folder`, whole or not at all. `image` is as composed, with its digest."""
    key = _key(plan, image, lock)
    return linked(store, _known(store, key) or _made(store, key, image, plan, lock), folder)


def write_foreign_bills(store: Store, image: Image, name: str, folder: Path) -> SbomRow:
    """The same of an image that others built, as it was read back: what its own records claim."""
    from builder.image.packed import digests_of  # noqa: PLC0415 - few harden
    from builder.supply.collect import of_foreign  # noqa: PLC0415

    graph = of_foreign(image, name, digests_of(image.rootfs.files(), "sha1"))
    return linked(store, Bills(documents=_written(store, graph, ()), row=graph.coverage), folder).row


def linked(store: Store, bills: Bills, folder: Path) -> Bills:
    """Both documents under their names, whole or not at all."""
    with replaced_as_a_whole(folder, store, marker=FILES[SPDX]) as fresh:
        for form, document in bills.documents.items():
            link_blob(store, f"sha256:{document.blob}", fresh / FILES[form])
    return bills


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
    return bills_of(store, json.loads(record)) if record is not None else None


def bills_of(store: Store, data: Any) -> Bills | None:
    """What `bills_data` gave; `None` where the store no longer has the documents."""
    documents = {form: _document_of(*data["documents"][form]) for form in FILES}
    if not all(store.has(one.blob) for one in documents.values()):
        return None
    return Bills(documents=documents, row=SbomRow.model_validate_json(data["row"]))


def bills_data(bills: Bills) -> Any:
    """As JSON has it."""
    documents = {
        form: (one.blob, [_part_row(part) for part in one.parts]) for form, one in bills.documents.items()
    }
    return {"documents": documents, "row": bills.row.model_dump_json()}


def _part_row(part: Part) -> tuple[Any, Any]:
    return (part.about, part.text) if isinstance(part, Blank) else part


def _document_of(blob: str, rows: Iterable[tuple[Any, Any]]) -> Document:
    parts = (Blank(one, other) if isinstance(one, str) else (one, other) for one, other in rows)
    return Document(blob=blob, parts=tuple(parts))


def _made(store: Store, key: str, image: Image, plan: Plan, lock: LockedPlatform) -> Bills:
    from builder.supply.collect import of_built  # noqa: PLC0415 - a known document needs none of it
    from builder.supply.graph import Sort  # noqa: PLC0415

    graph = of_built(image, lock, plan.image, plan.profile)
    changing = {"", *(one.ref for one in graph.components if one.sort is Sort.FILES)}
    bills = Bills(documents=_written(store, graph, changing), row=graph.coverage)
    store.write_record(DOCUMENTS, key, json.dumps(bills_data(bills)).encode())
    return bills


def bills_again(  # noqa: PLR0913 - what an image's documents say of it, by name
    store: Store, bills: Bills, *, plan: Plan, image: Image, own: Rootfs, layer: str, row: SbomRow
) -> Bills:
    """The same documents of an image that differs from theirs in the bytes of its `own` files alone.

    `layer` is the digest of the one that holds these, `row` what the documents account for now.
    """
    from builder.supply.blanks import layer_values, subject_values  # noqa: PLC0415 - as below
    from builder.supply.graph import own_components, subject_of  # noqa: PLC0415
    from builder.supply.naming import remark_of_built  # noqa: PLC0415
    from builder.supply.spdx import own_values  # noqa: PLC0415

    subject, said = subject_of(image, plan.image, plan.profile), remark_of_built(row)
    components = own_components(own)
    values: dict[str, dict[str, Values]] = {
        SPDX: {one.ref: own_values(one, {}) for one in components},
        CYCLONEDX: {one.ref: layer_values([layer]) for one in components},
    }
    documents = {}
    for form, document in bills.documents.items():
        whole = {"": subject_values(subject, said, form)}
        documents[form] = refilled(store, document, values[form] | whole)
        _state_again(store, document.blob, documents[form].blob, image.digest)
    return Bills(documents=documents, row=row)


def _state_again(store: Store, before: str, after: str, digest: str) -> None:
    """What a document says of packages isn't read again: it is what it was, byte for byte."""
    record = store.record(STATED, before)
    if record is not None:
        _, packages = json.loads(record)
        store.write_record(STATED, after, json.dumps((digest, packages)).encode())


def _written(store: Store, graph: "Graph", changing: Container[str]) -> dict[str, Document]:
    """`changing` is what blanks are about that stay blank in what is kept of the documents."""
    found = {}
    for form in FILES:
        pieces, values = _blank_document(graph, form, keeping(store))
        found[form] = _stored(store, pieces, values, changing)
    return found


def document(graph: "Graph", form: str, kept: Kept) -> Iterator[str]:
    """One of `FILES`, in pieces of text."""
    return all_filled(*_blank_document(graph, form, kept))


def _blank_document(graph: "Graph", form: str, kept: Kept) -> tuple[Iterator[Piece], Mapping[str, Values]]:
    writer = form_writer(form)
    return writer.pieces(graph, kept), writer.values(graph)


def form_writer(form: str) -> ModuleType:
    from builder.supply import cyclonedx, spdx  # noqa: PLC0415 - a known document needs neither

    return {SPDX: spdx, CYCLONEDX: cyclonedx}[form]


def _stored(
    store: Store, pieces: Iterable[Piece], values: Mapping[str, Values], changing: Container[str]
) -> Document:
    parts: list[Part] = []
    with store.writer() as writer:
        for piece in pieces:
            start = writer.size
            text = filled(piece.text, values[piece.about]) if isinstance(piece, Blank) else piece
            writer.write(text.encode())
            last = parts[-1] if parts else None
            if isinstance(piece, Blank) and piece.about in changing:
                parts.append(piece)
            elif isinstance(last, tuple):
                parts[-1] = (last[0], writer.size)
            else:
                parts.append((start, writer.size))
    return Document(blob=writer.sha256, parts=tuple(parts))


def refilled(store: Store, document: Document, values: Mapping[str, Values]) -> Document:
    """The same document with other values."""
    with store.blob(document.blob).open("rb") as source, store.writer() as writer:
        for part in document.parts:
            if isinstance(part, Blank):
                writer.write(filled(part.text, values[part.about]).encode())
                continue
            source.seek(part[0])
            left = part[1] - part[0]
            while left and (piece := source.read(min(left, _PIECE))):
                writer.write(piece)
                left -= len(piece)
    return Document(blob=writer.sha256)


def keeping(store: Store) -> Kept:
    """The parts that a store knows."""

    def kept(key: str, make: Callable[[], str]) -> str:
        known = store.record(PARTS, key)
        if known is not None:
            return known.decode()
        text = make()
        store.write_record(PARTS, key, text.encode())
        return text

    return kept


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
