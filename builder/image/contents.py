"""A layer's files as they are met in its tar: hashed, looked at, and kept in memory only where small.

Opening a file of a compressed layer again means decompressing all that lies before it. So everything that
the controls ask of a file is learnt while the layer is read for the first time.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import BinaryIO

from builder.controls.secrets import LARGEST, look_of
from builder.image.pieces import Pieces
from builder.image.streams import Packed, Packing, Span
from builder.model.tree import NO_FACTS, Bytes, Content, Facts, Slice, Unhashed
from builder.rootfs.elf import facts, is_interesting, ranges
from builder.rootfs.members import Member

SMALL = 64 << 10
"""Bytes of a text that is kept in memory: scripts and settings stay below."""
RECORD = 8 << 20
"""Bytes of a record that is kept in memory: `var/lib/dpkg/status` of a desktop has 5 MiB."""
BUDGET = 24 << 20
"""Bytes of all texts kept in memory of one image."""
RECORDS = 40 << 20
"""Bytes of all account files and package records, which the texts can't crowd out."""
HEAD = 16
"""Bytes that tell what a file is, kept of every file."""
_PIECE = 1 << 20
_RECORD_NAME = re.compile(
    r"^(?:\./)?(?:etc|var/lib/dpkg|lib/apk/db|usr/lib/apk/db)/|"
    r"/(?:RECORD|METADATA|PKG-INFO|os-release|ca-certificates\.crt)$|\.pth$"
)


@dataclass(slots=True)
class Budget:
    """Shared by the layers of one image."""

    left: int = field(default=BUDGET)
    records: int = field(default=RECORDS)

    def take(self, size: int) -> bool:
        if size > self.left:
            return False
        self.left -= size
        return True

    def take_record(self, size: int) -> bool:
        if size > self.records:
            return False
        self.records -= size
        return True


def keeper(span: Span, packing: Packing, budget: Budget) -> Callable[[Member, BinaryIO], Content]:
    """What `archive.read_layer` asks to make a member's content of its bytes."""

    def keep(member: Member, stream: BinaryIO) -> Content:
        if 0 < member.size <= RECORD and _RECORD_NAME.search(member.name):
            data = stream.read(member.size)
            if budget.take_record(len(data)):
                return _kept(data)
            stream, head = BytesIO(data), data[:SMALL]
            stream.seek(len(head))
        else:
            head = stream.read(min(member.size, SMALL)) if member.size else b""
        if len(head) == member.size and b"\0" not in head and budget.take(len(head)):
            return _kept(head)
        if packing.kind == "none":
            place = span.offset + member.offset
            if member.size > LARGEST:
                found = _facts_at(span, place, head, member.size)
                return Unhashed(path=span.path, offset=place, size=member.size, facts=found)
            sha256, found = _hashed(head, member.size, stream), _facts_at(span, place, head, member.size)
            return Slice(path=span.path, offset=place, size=member.size, sha256=sha256, facts=found)
        sha256, found = _look(head, member.size, stream)
        return Packed(
            span=span,
            packing=packing,
            offset=member.offset,
            size=member.size,
            sha256=sha256,
            facts=found,
            head=head[:HEAD],
        )

    return keep


def _kept(data: bytes) -> Bytes:
    return Bytes(data, facts(BytesIO(data)) if is_interesting(data) else NO_FACTS)


def _hashed(head: bytes, size: int, stream: BinaryIO) -> str:
    digest = hashlib.sha256(head)
    while size > len(head) and (piece := stream.read1(_PIECE)):  # type: ignore[attr-defined]
        digest.update(piece)
    return digest.hexdigest()


def _facts_at(span: Span, place: int, head: bytes, size: int) -> Facts:
    """Where the layer isn't compressed, the few places that matter are read from it directly."""
    if not is_interesting(head):
        return NO_FACTS
    with span.path.open("rb") as file:
        return facts(file, place, size)


def _look(head: bytes, size: int, stream: BinaryIO) -> tuple[str, Facts]:
    """The digest and the facts of a file of which `head` has been read."""
    if size <= LARGEST:
        data = head + (stream.read(size - len(head)) if size > len(head) else b"")
        found = facts(BytesIO(data)) if is_interesting(head) else NO_FACTS
        if found.elf is None:
            found = replace(found, look=look_of(data) or "")
        return hashlib.sha256(data).hexdigest(), found
    digest = hashlib.sha256(head)
    copy = Pieces(head, ranges(head, size) if is_interesting(head) else ())
    while piece := stream.read1(_PIECE):  # type: ignore[attr-defined]
        digest.update(piece)
        copy.add(piece)
    found = facts(copy, 0, size) if is_interesting(head) else NO_FACTS  # type: ignore[arg-type]
    return digest.hexdigest(), found
