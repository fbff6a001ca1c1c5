"""What a layer held when it was read back, kept in the store by the digest of its blob.

Reading a layer means to decompress, hash and look at every file of it. A blob with the same digest holds the
same: an unchanged layer is never read again, however large it is.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from builder.controls import lists, secrets
from builder.controls.secrets import LARGEST, look_of
from builder.errors import ArchiveError
from builder.image import contents, pieces, streams
from builder.image.hashing import Hashing
from builder.image.packed import Packed
from builder.image.streams import Packing, Span
from builder.model.tree import Bytes, Content, Entry, Facts, Owner, Slice
from builder.packages.store import Store, Writer
from builder.rootfs import archive, elf, header, members, rows
from builder.rootfs.rows import Row, entry_of, entry_row, facts_of, facts_row

LEARNING = (archive, contents, elf, header, lists, members, pieces, rows, secrets, streams)
"""The modules that decide what is learnt of a file, and how it is kept."""
LARGE = 64 << 20
"""What a build believes: hashing gigabytes would take longer than all the rest of it, and whoever pulls or
loads the layer checks its digest again."""
ROWS = 1000
"""Entries on one line of a record: as lists they take nearly four times what they take as text."""
_SHA256 = "sha256:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a layer's archive holds, before it is put on top of others."""

    entries: tuple[Entry, ...]
    """In the archive's order, whiteouts among them."""
    digest: str
    """`sha256:...` of the blob."""
    diff_id: str
    """`sha256:...` of the uncompressed tar."""
    packing: Packing
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The layers that a store knows. Raises `StoreError` like the store itself."""

    store: Store
    believe: int | None = None
    """Bytes from which on a file that is the store's own blob by another name is taken to be unchanged since
    it was verified there. All others are hashed, and every one in an audit that somebody asked for."""
    by_name: bool = False
    """What a manifest calls by a digest is taken to be that: for telling images apart, since whoever pulls
    one checks it. No layer that was ever read is opened then."""

    def recall(self, span: Span, owner: Owner, hashing: Hashing | None) -> Held | None:
        """`None` where the layer was never read, or the blob isn't what its name says.

        `hashing` is at work on it while the record is read; there is none for a layer that is believed.
        """
        held = self.recorded(span, owner)
        return held if held is not None and (hashing is None or _is_whole(span, hashing)) else None

    def recorded(self, span: Span, owner: Owner) -> Held | None:
        """Without a look at the blob."""
        record = self.store.record(kind(), _hex(span)) if span.name.startswith(_SHA256) else None
        if record is None:
            return None
        head, *parts = record.split(b"\n")
        data = json.loads(head)
        if not self.store.has(data["texts"]):
            return None
        packing = Packing(kind=data["kind"], plain=data["plain"], packed=data["packed"])
        content = partial(_content, span=span, packing=packing, texts=self.store.blob(data["texts"]))
        return Held(
            entries=tuple([entry_of(row, content, owner) for part in parts for row in json.loads(part)]),
            digest=span.name,
            diff_id=data["diff_id"],
            packing=packing,
        )

    def believes(self, span: Span) -> bool:
        """Without its bytes being hashed."""
        if self.by_name:
            return True
        large = self.believe is not None and span.size >= self.believe
        return large and self.store.has(_hex(span)) and span.path.samefile(self.store.blob(_hex(span)))

    def keep(self, span: Span, held: Held) -> bool:
        """Remembers a layer that was found to be sound and to borrow nothing of the layers below it."""
        if held.problems or span.name != held.digest or not all(_is_own(one, span) for one in held.entries):
            return False
        self._write(span, held)
        return True

    def _write(self, span: Span, held: Held) -> None:
        with self.store.writer() as texts:
            row_of = partial(entry_row, content_row=partial(_content_row, texts=texts))
            entries = held.entries
            parts = [
                _compact([row_of(entry) for entry in entries[at : at + ROWS]])
                for at in range(0, len(entries), ROWS)
            ]
        packing = held.packing
        data = {
            "diff_id": held.diff_id,
            "texts": texts.sha256,
            "kind": packing.kind,
            "plain": packing.plain,
            "packed": packing.packed,
        }
        self.store.write_record(kind(), _hex(span), b"\n".join([_compact(data), *parts]))


def _compact(data: Any) -> bytes:
    return _ENCODER.encode(data).encode()


_ENCODER = json.JSONEncoder(separators=(",", ":"))


@cache
def kind() -> str:
    """Of the records: another one where any of those modules has changed.

    A search for secrets that has learnt a new pattern must not trust what an older one found.
    """
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for module in LEARNING:
        digest.update(Path(str(module.__file__)).read_bytes())
    return f"held-{digest.hexdigest()[:16]}"


def _is_whole(span: Span, hashing: Hashing) -> bool:
    try:
        return hashing.digest(span) == span.name
    except ArchiveError:
        return False  # whoever reads it then says why it can't be read


def _hex(span: Span) -> str:
    return span.name.removeprefix(_SHA256)


def _is_own(entry: Entry, span: Span) -> bool:
    content = entry.content
    return (
        content is None
        or isinstance(content, Bytes)
        or (isinstance(content, Packed) and content.span is span)
    )


def _content_row(content: Content, texts: Writer) -> Row:
    """What was kept in memory goes into one blob for all texts; the rest stays where it is in the layer."""
    if isinstance(content, Bytes):
        at = texts.size
        texts.write(content.data)
        return [at, content.size, content.sha256, facts_row(_looked_at(content))]
    assert isinstance(content, Packed)  # noqa: S101 - `keep` has seen to it
    return [content.offset, content.size, content.sha256, facts_row(content.facts), content.head.hex()]


def _looked_at(content: Bytes) -> Facts:
    """Whoever searches for secrets later needn't open it."""
    if content.facts.elf is not None or content.size > LARGEST:
        return content.facts
    return replace(content.facts, look=look_of(content.data) or "")


def _content(row: Row, span: Span, packing: Packing, texts: Path) -> Content:
    if len(row) == 4:
        offset, size, sha256, facts = row
        return Slice(path=texts, offset=offset, size=size, sha256=sha256, facts=facts_of(facts))
    offset, size, sha256, facts, head = row
    return Packed(
        span=span,
        packing=packing,
        offset=offset,
        size=size,
        sha256=sha256,
        facts=facts_of(facts),
        head=bytes.fromhex(head),
    )
