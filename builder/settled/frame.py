"""The key of a build: everything that goes into it but the bytes of own files; and who looks at those."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pydantic_core

import builder
from builder.image.compress import recipe
from builder.image.contents import SMALL
from builder.image.layers import APP
from builder.model.image import Image
from builder.model.lock import LockedPlatform
from builder.model.plan import Plan
from builder.model.tree import NO_FACTS, Entry, Kind, Rootfs
from builder.packages.bytecode import CACHE
from builder.rootfs.compose import read_certificate
from builder.rootfs.rows import facts_row
from builder.rootfs.watched import unwatched
from builder.settled.own import look_of
from builder.stages import Frame
from builder.workplace import today


def frame_of(plan: Plan, section: LockedPlatform, platform: str, moment: int, own: Iterable[Entry]) -> Frame:
    """`own` as `user_entries` found them, `moment` the date of the build in seconds since the epoch."""
    files = tuple(own)
    looks = {entry.path: look_of(entry) for entry in files}
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
    facts = entry.content.facts if entry.content is not None else NO_FACTS
    return [
        *(entry.path, entry.kind, entry.mode, entry.uid, entry.gid, entry.target, str(entry.owner)),
        *(facts_row(replace(facts, look=look)), _size_class(entry.size)),
    ]


def _size_class(size: int) -> tuple[int, ...]:
    """Sizes that nothing tells from each other: every limit there is, is a power of two, and the least one
    but for emptiness is that of texts that are kept in memory."""
    return (size.bit_length(), (size - 1).bit_length()) if size >= SMALL else (min(size, 1),)


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
