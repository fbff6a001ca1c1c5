"""What is kept of a build that passed, for the next one under the same frame."""

import json
from dataclasses import asdict
from pathlib import Path

from builder.bills import Bills, bills_data
from builder.image.config import parse_config
from builder.image.documents import Config, parse
from builder.image.layout import find_image
from builder.model.image import Layer
from builder.model.report import Outcome
from builder.model.tree import Content, Entry, Kind, Owner, Rootfs
from builder.packages.bytecode import CACHE
from builder.packages.store import Store
from builder.results import read_definition
from builder.rootfs.rows import Row, entry_row
from builder.settled.own import KIND, Seen, bytes_of, digest_of, look_of
from builder.stages import DEFINITION, LAYOUT, SCAN, Frame, Made, Settled

READ = ("etc/os-release", "usr/lib/os-release", "usr/share/doc/", "var/lib/dpkg/")
"""Begins what may be read for the SBOM, too, by whoever brought it."""


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
            for entry in frame.own
            if entry.content is not None
            and (
                entry.path in frame.watch.looked_at or is_statement(entry.path) or entry.path.startswith(READ)
            )
        },
        looks={entry.path: look for entry in own.rootfs.files() if (look := look_of(entry))},
        bills=bills_data(bills),
        definition=digest_of(read_definition(folder / DEFINITION)),
        outcomes=[(one.key, one.outcome.value, one.reason) for one in audits],
        unpacked=totals.unpacked - bytes_of(own),
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


def _no_row(_: Content) -> Row:
    raise AssertionError("rows are without contents")
