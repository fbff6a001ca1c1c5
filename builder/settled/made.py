"""The image of the build before, with its own files as they are now."""

import json
from dataclasses import replace

from builder.bills import bills_of
from builder.bytecode import compiled_again
from builder.image.config import parse_config
from builder.image.documents import Config, parse
from builder.image.layers import APP, hexadecimal, layer_blob
from builder.model.image import Image, Layer
from builder.model.lock import Lock
from builder.model.plan import Plan
from builder.model.report import SbomRow
from builder.model.tree import Content, Kind, Owner, Rootfs
from builder.packages.bytecode import Interpreter
from builder.packages.store import Store
from builder.render.contract import make_contract
from builder.rootfs.rows import Row, entry_of
from builder.settled.own import KIND, bytes_of
from builder.stages import Frame, Made, Settled, tag_of
from builder.workplace import Workplace, host_platform


def recalled(store: Store, frame: Frame) -> Settled | None:
    """What a build before came to under the same frame, where all of it is still there."""
    record = store.record(KIND, frame.key)
    if record is None:
        return None
    settled = Settled(**json.loads(record))
    there = {entry.path: entry.content for entry in frame.own}
    for path, sha256 in settled.looked_at.items():
        content = there[path]
        if content is None or content.sha256 != sha256:
            return None
    blobs = [digest for name, digest, _, _ in settled.layers if name != APP]
    if not all(store.has(hexadecimal(digest)) for digest in blobs):
        return None
    return settled if bills_of(store, settled.bills) is not None else None


def made_again(place: Workplace, plan: Plan, lock: Lock, frame: Frame, settled: Settled) -> Made | None:
    """The image with its own files as they are now; `None` where their byte code doesn't fit."""
    config = parse_config(parse(Config, settled.config.encode(), "settled config"))
    place.progress.stage("taking all but the image's own files from the build before")
    own = _own_layer(place, lock, frame, settled)
    if own is None:
        return None
    layers = tuple(
        _written(own, place.store, config.created)
        if name == APP
        else Layer(name=name, rootfs=Rootfs(), digest=digest, diff_id=diff_id, size=size)
        for name, digest, diff_id, size in settled.layers
    )
    return Made(
        image=Image(rootfs=own.rootfs, config=config, layers=layers),
        changes={key: tuple(lines) for key, lines in settled.changes.items()},
        pruned=settled.pruned,
        section=lock.platforms[config.platform],
        indexes=lock.indexes,
        contract=make_contract(plan, tag_of(plan), config.user),
        distribution=settled.distribution,
        frame=frame,
        settled=settled,
    )


def _written(layer: Layer, store: Store, created: int) -> Layer:
    blob = layer_blob(layer, store, created)
    return replace(layer, digest=blob.digest, diff_id=blob.diff_id, size=blob.size)


def _own_layer(place: Workplace, lock: Lock, frame: Frame, settled: Settled) -> Layer | None:
    sources = {entry.path: entry.content for entry in frame.own}
    bare = [entry_of(row, _no_content, _owner_of(*owner)) for row, owner in settled.rows]
    rootfs = Rootfs.of(
        entry.replace(content=sources[entry.path]) for entry in bare if sources.get(entry.path) is not None
    )
    if settled.interpreter:
        section = lock.platforms.get(host_platform())
        if section is None:
            return None
        version, sha256 = settled.interpreter
        rootfs = compiled_again(place, section, rootfs, Interpreter(version=version, sha256=sha256))
    filled = [
        entry.replace(content=there.content) if (there := rootfs.get(entry.path)) is not None else entry
        for entry in bare
    ]
    found = [entry for entry in filled if entry.kind is Kind.FILE]
    fits = all(entry.content is not None for entry in found) and len(found) == len(list(rootfs.files()))
    return Layer(name=APP, rootfs=Rootfs.of(filled)) if fits else None


def row_again(settled: Settled, own: Layer) -> SbomRow:
    """What the documents account for: of own files, each byte."""
    row = SbomRow.model_validate_json(settled.bills["row"])
    total = settled.unpacked + bytes_of(own)
    return row.model_copy(update={"bytes": total, "owned_bytes": row.owned_bytes - row.bytes + total})


def _owner_of(kind: str, name: str, version: str) -> Owner:
    return Owner(kind=kind, name=name, version=version)


def _no_content(_: Row) -> Content:
    raise AssertionError("rows are without contents")
