"""What a build has settled for good: all of an image but the bytes of its own files.

Whoever works on an application changes its files and builds, again and again. Next to gigabytes of wheels
these are nothing, but composing, hardening, auditing and the SBOM go over every file of the image. So a build
that passed keeps what it came to, by everything that went into it but those bytes; and the next one takes
from there all but the layer that holds them.

That must not make a difference, and three things see to it. What is learnt of a file's content is part of the
key: whether it is a program or a script, what it looks like to a search for secrets, roughly its size. Any
other look at an own file's bytes is noticed (`Watch`), and then its digest must be the same. And the layer
that moved is read back from disk and must hold what the last one did, but for those bytes. Where any of this
fails, the image is built and audited as if nothing were known.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import pydantic_core

import builder
from builder.beside import beside
from builder.bills import Bills, bills_data, bills_of, stated
from builder.bytecode import compiled_again
from builder.controls.audit import Audited
from builder.controls.audit import audit as audit_image
from builder.controls.catalogue import BY_KEY
from builder.controls.secrets import look_of_file
from builder.errors import ArchiveError
from builder.image.compress import recipe
from builder.image.config import parse_config
from builder.image.documents import Config, parse
from builder.image.hashing import Hashing
from builder.image.layers import APP, hexadecimal, layer_blob
from builder.image.layout import find_image
from builder.image.memory import LARGE, Memory
from builder.image.reading import read_alone
from builder.image.streams import Span
from builder.model.definition import Definition
from builder.model.image import Image, Layer
from builder.model.lock import Lock, LockedPlatform
from builder.model.plan import Plan
from builder.model.report import Outcome, SbomRow
from builder.model.tree import NO_FACTS, Content, Entry, Facts, Kind, Owner, Rootfs
from builder.packages.bytecode import CACHE, Interpreter
from builder.packages.store import Store
from builder.render.contract import make_contract
from builder.results import read_definition
from builder.rootfs.compose import read_certificate
from builder.rootfs.rows import Row, entry_of, entry_row, facts_row
from builder.rootfs.watched import unwatched
from builder.stages import DEFINITION, LAYOUT, SCAN, Frame, Made, Settled, tag_of
from builder.verify.report import Totals, packages
from builder.workplace import Workplace, host_platform, today

Seen = tuple[Totals, tuple[Audited, ...]]
"""What reading an image back comes to."""
KIND = "settled-1"
"""Of the store's records; counted up when their form changes."""
READ = ("etc/os-release", "usr/lib/os-release", "usr/share/doc/", "var/lib/dpkg/")
"""Begins what may be read for the SBOM, too, by whoever brought it."""
LIMIT = "max-size"
"""The one control that adds up sizes."""


def frame_of(plan: Plan, section: LockedPlatform, platform: str, moment: int, own: Iterable[Entry]) -> Frame:
    """`own` as `user_entries` found them, `moment` the date of the build in seconds since the epoch."""
    files = tuple(own)
    looks = {entry.path: _look(entry) for entry in files}
    anywhere = replace(plan, folder=Path(plan.folder.name))
    said = [
        *(_code(), recipe(), today().isoformat(), platform, moment, anywhere, section),
        [_sha256(read_certificate(plan.folder / name)) for name in plan.spec.certificates],
        [(path.name, _sha256(path.read_bytes())) for path in sorted(plan.folder.glob("*.j2"))],
        [_features(entry, looks[entry.path]) for entry in files],
    ]
    return Frame(key=hashlib.sha256(pydantic_core.to_json(said)).hexdigest(), own=files, looks=looks)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@cache
def _code() -> list[tuple[str, int, int]]:
    """All of Temper, as Python itself knows changed modules: by size and time."""
    found = []
    for folder, folders, names in os.walk(Path(builder.__file__).parent):
        folders[:] = sorted(set(folders) - {CACHE})
        for name in sorted(names):
            status = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 - paths take twice as long
            found.append((name, status.st_size, status.st_mtime_ns))
    return found


def _features(entry: Entry, look: str) -> list[Any]:
    """All of an entry that something may depend on without looking at its bytes."""
    size = entry.size
    facts = entry.content.facts if entry.content is not None else NO_FACTS
    return [
        *(entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.target, str(entry.owner)),
        *(facts_row(replace(facts, look=look)), size.bit_length(), max(size - 1, 0).bit_length()),
    ]


def _look(entry: Entry) -> str:
    return look_of_file(entry) or ""


def watched(frame: Frame, rootfs: Rootfs) -> Rootfs:
    """The tree in which every look at an own file is noticed."""
    if not frame.own:
        return rootfs
    return rootfs.with_entries(_watched(frame, rootfs).values())


def unwatched_tree(frame: Frame, rootfs: Rootfs) -> Rootfs:
    return unwatched(rootfs, {entry.path for entry in frame.own}) if frame.own else rootfs


def watched_image(frame: Frame, image: Image) -> Image:
    """The same for one that was read back."""
    if not frame.own:
        return image
    entries = _watched(frame, image.rootfs)
    layers = (
        replace(layer, rootfs=layer.rootfs.with_entries(entries.values())) if layer.name == APP else layer
        for layer in image.layers
    )
    return image.replace(rootfs=image.rootfs.with_entries(entries.values()), layers=tuple(layers))


def _watched(frame: Frame, rootfs: Rootfs) -> dict[str, Entry]:
    there = (rootfs.get(entry.path) for entry in frame.own if entry.kind is Kind.FILE)
    return {
        entry.path: frame.watch.over(entry, replace(entry.content.facts, look=frame.looks[entry.path]))
        for entry in there
        if entry is not None and entry.content is not None
    }


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


def own_layer(image: Image) -> Layer:
    """An empty one where the image has no files of its own."""
    return next((layer for layer in image.layers if layer.name == APP), Layer(name=APP, rootfs=Rootfs()))


def row_again(settled: Settled, own: Layer) -> SbomRow:
    """What the documents account for: of own files, each byte."""
    row = SbomRow.model_validate_json(settled.bills["row"])
    total = settled.unpacked + _bytes(own)
    return row.model_copy(update={"bytes": total, "owned_bytes": row.owned_bytes - row.bytes + total})


def _bytes(layer: Layer) -> int:
    return sum(entry.size for entry in layer.rootfs.files())


def audited_again(place: Workplace, plan: Plan, made: Made, folder: Path) -> Seen | None:
    """What the audit before came to, where it can't come to anything else now.

    What stands beside the image is looked at. `None` where all has to be.
    """
    settled, own = made.settled, own_layer(made.image)
    definition = read_definition(folder / DEFINITION)
    if (
        settled is None
        or own is None
        or (folder / SCAN).exists()
        or _digest(definition) != settled.definition
    ):
        return None
    unpacked, limit = settled.unpacked + _bytes(own), plan.control(LIMIT)
    if limit is not None and unpacked > getattr(limit.parameters, "megabytes") * 1_000_000:  # noqa: B009
        return None
    if not _stands(place.store, folder / LAYOUT, own, settled):
        return None
    before = {key: Audited(key=key, outcome=Outcome(one), reason=why) for key, one, why in settled.outcomes}
    now = audit_image(
        made.image.replace(rootfs=Rootfs(), layers=()),
        plan,
        made.section,
        [planned for planned in plan.controls if BY_KEY[planned.key].looks_beside],
        contract=made.contract,
        definition=definition,
        sboms=stated(place.store, folder),
        beside=beside(folder, made.indexes),
    )
    if any(one != before[one.key] for one in now):
        return None
    return _totals(made, settled, unpacked), tuple(before[planned.key] for planned in plan.controls)


def _totals(made: Made, settled: Settled, unpacked: int) -> Totals:
    image = made.image
    return Totals(
        platform=image.config.platform,
        digest=image.digest,
        created=image.config.created_text,
        size=image.size,
        unpacked=unpacked,
        layers=len(image.layers),
        files=settled.files,
        packages=packages(made.section),
        terms=tuple(settled.terms),
    )


def _stands(store: Store, layout: Path, own: Layer, settled: Settled) -> bool:
    """The layout holds the layers that it should, and the own one is what the last one was."""
    try:
        spans = {span.name: span for span in find_image(layout).layers}
        with Hashing(_doubted(store, spans.values())) as hashing:
            there = read_alone(spans[own.digest], APP) if own.digest else own
            whole = hashing.all_sound()
    except ArchiveError:
        return False
    looks = {entry.path: look for entry in there.rootfs.files() if (look := _look(entry))}
    same = not there.problems and there.diff_id == own.diff_id and looks == settled.looks
    return whole and same and _as_told(there.rootfs) == _as_told(own.rootfs)


def _doubted(store: Store, spans: Iterable[Span]) -> Iterator[Span]:
    """Those that are hashed again: what isn't the store's own, and the smallest of what is."""
    believing, left = Memory(store=store, believe=0), LARGE
    for span in sorted(spans, key=lambda span: span.size):
        left -= span.size
        if left > 0 or not believing.believes(span):
            yield span


def _as_told(rootfs: Rootfs) -> list[Any]:
    """All that an archive says of its entries."""
    return [
        (
            *(entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime, entry.target),
            *(entry.xattrs, entry.content and (entry.content.sha256, _plain(entry.content.facts))),
        )
        for entry in rootfs.values()
    ]


def _plain(facts: Facts) -> Facts:
    return replace(facts, look=None)


def keep(store: Store, made: Made, own: Layer, bills: Bills, seen: Seen, folder: Path) -> None:
    """For the next build under the same frame. Only of an image in which nothing was found."""
    from builder.supply.vendored import is_statement  # noqa: PLC0415 - once for many builds

    totals, audits = seen
    frame, config = made.frame, find_image(folder / LAYOUT).config
    if frame is None or (folder / SCAN).exists() or made.image.annotations:
        return
    passed = all(one.outcome in {Outcome.PASSED, Outcome.NOT_ASSESSED} for one in audits)
    same = parse_config(parse(Config, config, "config")) == made.image.config
    if not (passed and same and _is_own(frame, own.rootfs)):
        return
    settled = Settled(
        config=config.decode(),
        layers=[(one.name, one.digest, one.diff_id, one.size) for one in made.image.layers],
        rows=[(_bare_row(entry), _owner_row(entry.owner)) for entry in own.rootfs.values()],
        interpreter=(made.interpreter.version, made.interpreter.sha256) if made.interpreter else (),
        distribution=made.distribution,
        changes=made.changes,
        pruned=made.pruned,
        looked_at={
            entry.path: entry.content.sha256
            for entry in own.rootfs.files()
            if entry.content is not None
            and (
                entry.path in frame.watch.looked_at or is_statement(entry.path) or entry.path.startswith(READ)
            )
        },
        looks={entry.path: look for entry in own.rootfs.files() if (look := _look(entry))},
        bills=bills_data(bills),
        definition=_digest(read_definition(folder / DEFINITION)),
        outcomes=[(one.key, one.outcome.value, one.reason) for one in audits],
        unpacked=totals.unpacked - _bytes(own),
        files=totals.files,
        terms=totals.terms,
    )
    store.write_record(KIND, frame.key, json.dumps(asdict(settled)).encode())


def _is_own(frame: Frame, rootfs: Rootfs) -> bool:
    """Whether the layer holds the own files, every one of them as it is, and nothing else but byte code."""
    sources = {entry.path: entry.content for entry in frame.own if entry.kind is Kind.FILE}
    files = {entry.path: entry.content for entry in rootfs.files() if f"/{CACHE}/" not in entry.path}
    owners = {entry.owner.kind for entry in rootfs.files()}
    return (
        owners <= {"file"}
        and files.keys() == sources.keys()
        and all(files[path] is content for path, content in sources.items())
    )


def _bare_row(entry: Entry) -> Row:
    return entry_row(entry.replace(content=None), _no_row)


def _owner_row(owner: Owner) -> tuple[str, str, str]:
    return owner.kind, owner.name, owner.version


def _owner_of(kind: str, name: str, version: str) -> Owner:
    return Owner(kind=kind, name=name, version=version)


def _no_row(_: Content) -> Row:
    raise AssertionError("rows are without contents")


def _no_content(_: Row) -> Content:
    raise AssertionError("rows are without contents")


def _digest(definition: Definition | None) -> str:
    rows = [(file.path, file.text) for file in definition.files] if definition is not None else []
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
