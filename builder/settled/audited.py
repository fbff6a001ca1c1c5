"""What the audit before came to, held against what stands on the disk now."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.beside import beside
from builder.bills import stated
from builder.controls.audit import Audited
from builder.controls.audit import audit as audit_image
from builder.controls.catalogue import BY_KEY
from builder.errors import ArchiveError
from builder.image.hashing import Hashing
from builder.image.layers import APP
from builder.image.layout import find_image
from builder.image.memory import LARGE, Memory
from builder.image.reading import read_alone
from builder.image.streams import Span
from builder.model.image import Layer
from builder.model.plan import Plan
from builder.model.report import Outcome
from builder.model.tree import Facts, Rootfs
from builder.packages.store import Store
from builder.results import read_definition
from builder.settled.own import Seen, bytes_of, digest_of, look_of, own_layer
from builder.stages import DEFINITION, LAYOUT, SCAN, Made, Settled
from builder.verify.report import Totals, packages
from builder.workplace import Workplace

LIMIT = "max-size"
"""The one control that adds up sizes."""


def audited_again(place: Workplace, plan: Plan, made: Made, folder: Path) -> Seen | None:
    """What the audit before came to, where it can't come to anything else now.

    What stands beside the image is looked at. `None` where all has to be.
    """
    settled, own = made.settled, own_layer(made.image)
    definition = read_definition(folder / DEFINITION)
    if settled is None or (folder / SCAN).exists() or digest_of(definition) != settled.definition:
        return None
    unpacked, limit = settled.unpacked + bytes_of(own), plan.control(LIMIT)
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
    looks = {entry.path: look for entry in there.rootfs.files() if (look := look_of(entry))}
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
