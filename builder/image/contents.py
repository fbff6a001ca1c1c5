"""A layer's files as they are met in its tar: hashed, looked at, and kept in memory only where small."""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

from builder.image.streams import Packed, Packing, Span
from builder.model.tree import NO_FACTS, Bytes, Content, Facts, Slice
from builder.rootfs.elf import facts, is_interesting
from builder.rootfs.members import Member

SMALL = 64 << 10
"""Bytes of a text that is kept in memory: account files, scripts and settings stay below."""
BUDGET = 32 << 20
"""Bytes of all texts kept in memory of one image."""
ELF_IN_MEMORY = 16 << 20
"""Bytes of an ELF file that is looked at in memory; larger ones take the way over a temporary file."""
_PIECE = 1 << 20


@dataclass(slots=True)
class Budget:
    """Shared by the layers of one image."""

    left: int = field(default=BUDGET)

    def take(self, size: int) -> bool:
        if size > self.left:
            return False
        self.left -= size
        return True


def keeper(span: Span, packing: Packing, budget: Budget) -> Callable[[Member, BinaryIO], Content]:
    """What `archive.read_layer` asks to make a member's content of its bytes."""

    def keep(member: Member, stream: BinaryIO) -> Content:
        head = stream.read(min(member.size, SMALL)) if member.size else b""
        if len(head) == member.size and b"\0" not in head and budget.take(len(head)):
            return Bytes(head, facts(BytesIO(head)) if is_interesting(head) else NO_FACTS)
        sha256, found = _look(head, member.size, stream)
        if packing.kind == "none":
            place = span.offset + member.offset
            return Slice(path=span.path, offset=place, size=member.size, sha256=sha256, facts=found)
        return Packed(
            span=span, packing=packing, offset=member.offset, size=member.size, sha256=sha256, facts=found
        )

    return keep


def _look(head: bytes, size: int, stream: BinaryIO) -> tuple[str, Facts]:
    """The digest and the facts of a file of which `head` has been read."""
    digest = hashlib.sha256(head)
    if not is_interesting(head):
        while piece := stream.read(_PIECE):
            digest.update(piece)
        return digest.hexdigest(), NO_FACTS
    with tempfile.SpooledTemporaryFile(max_size=ELF_IN_MEMORY) as copy:
        copy.write(head)
        while piece := stream.read(_PIECE):
            digest.update(piece)
            copy.write(piece)
        return digest.hexdigest(), facts(copy, 0, size)  # type: ignore[arg-type]  # it seeks and reads
