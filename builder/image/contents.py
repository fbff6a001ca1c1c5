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
from builder.image.packed import Digests, Packed, Undigested
from builder.image.pieces import Places
from builder.image.plain_stream import Elsewhere
from builder.image.streams import Packing, Span
from builder.model.tree import NO_FACTS, Bytes, Content, Facts, Slice, Unhashed
from builder.rootfs.elf import facts, facts_within, is_interesting, ranges
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
_RECORDED = re.compile(r"(?:^|/)(?:site|dist)-packages/")
_RECORD_NAME = re.compile(
    r"^(?:\./)?(?:etc|var/lib/dpkg|lib/apk/db|usr/lib/apk/db)/|"
    r"/(?:RECORD|METADATA|PKG-INFO|os-release)$|\.(?:crt|pth)$"
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


Keep = Callable[[Member, BinaryIO], Content]


def keeper(
    span: Span, packing: Packing, budget: Budget, *, hashed: bool, elsewhere: Elsewhere | None
) -> Keep:
    """What `archive.read_layer` asks to make a member's content of its bytes.

    `elsewhere` reads any place of a layer that isn't compressed.

    Unless all are to be `hashed`, only those get their digest at once that somebody will compare: what lies
    where wheels are installed, since a wheel records them. A large image would else be hashed twice.
    """
    if elsewhere is None:
        rest = _in_packed(span, packing, hashed)
    else:
        rest = _in_archive(span, elsewhere, hashed=hashed)

    def keep(member: Member, stream: BinaryIO) -> Content:
        size = member.size
        if not size:
            return _EMPTY
        if size <= RECORD and _RECORD_NAME.search(member.name):
            head = stream.read(size)
            if budget.take_record(size):
                return _kept(head)
        else:
            head = stream.read(min(size, SMALL))
        if size <= SMALL and b"\0" not in head and budget.take(size):
            return _kept(head)
        return rest(member, stream, head)

    return keep


Rest = Callable[[Member, BinaryIO, bytes], Content]
"""Of a file that isn't kept in memory, and of which some bytes have been read."""


def _in_archive(span: Span, elsewhere: Elsewhere, *, hashed: bool) -> Rest:
    """The layer isn't compressed: a file is read again where it lies."""

    def make(member: Member, stream: BinaryIO, head: bytes) -> Content:
        size, place = member.size, span.offset + member.offset
        found = _facts_at(elsewhere, place, head, size)
        if _RECORDED.search(member.name) if not hashed else size <= LARGEST:
            sha256 = _hashed(head, size, stream)
            return Slice(path=span.path, offset=place, size=size, sha256=sha256, facts=found)
        return Unhashed(path=span.path, offset=place, size=size, facts=found)

    return make


def _in_packed(span: Span, packing: Packing, hashed: bool) -> Rest:
    digests = Digests(span, packing)

    def make(member: Member, stream: BinaryIO, head: bytes) -> Content:
        size, offset = member.size, member.offset
        late = not hashed and size > LARGEST and not _RECORDED.search(member.name)
        met = Packed(span=span, packing=packing, offset=offset, size=size, sha256="", head=head)
        sha256, found = _look(met, stream, hashed=not late)
        packed = replace(met, sha256=sha256, facts=found, head=head[:HEAD])
        if not late:
            return packed
        digests.expect(offset, size)
        return Undigested(packed=packed, digests=digests)

    return make


_EMPTY = Bytes(b"")


def _kept(data: bytes) -> Bytes:
    return Bytes(data, facts(BytesIO(data))) if is_interesting(data) else Bytes(data)


def _hashed(head: bytes, size: int, stream: BinaryIO) -> str:
    digest = hashlib.sha256(head)
    while size > len(head) and (piece := stream.read1(_PIECE)):  # type: ignore[attr-defined]
        digest.update(piece)
    return digest.hexdigest()


def _facts_at(elsewhere: Elsewhere, place: int, head: bytes, size: int) -> Facts:
    """Where the layer isn't compressed, the few places that matter are read from it directly."""
    if not is_interesting(head):
        return NO_FACTS
    if size <= len(head):
        return facts(BytesIO(head))
    return facts_within(elsewhere, place, size)


def _look(met: Packed, stream: BinaryIO, *, hashed: bool) -> tuple[str, Facts]:
    """The digest (empty unless `hashed`) and the facts of a file of which the head has been read."""
    head, size = met.head, met.size
    if size > LARGEST:
        return _look_at_large(met, stream, hashed=hashed)
    data = head + stream.read(size - len(head)) if size > len(head) else head
    found = facts(BytesIO(data)) if is_interesting(head) else NO_FACTS
    if found.elf is None:
        look = look_of(data) or ""
        found = replace(found, look=look) if look or found is not NO_FACTS else _HARMLESS
    return hashlib.sha256(data).hexdigest(), found


def _look_at_large(met: Packed, stream: BinaryIO, *, hashed: bool) -> tuple[str, Facts]:
    wanted = ranges(met.head, met.size) if is_interesting(met.head) else ()
    digest, places = hashlib.sha256(met.head if hashed else b""), Places(met, wanted)
    last, at = max((end for _, end in wanted), default=0), len(met.head)
    while (hashed or at < last) and (piece := stream.read1(_PIECE)):  # type: ignore[attr-defined]
        if hashed:
            digest.update(piece)
        places.add(piece)
        at += len(piece)
    found = facts_within(places.file(), 0, met.size) if wanted else NO_FACTS
    return digest.hexdigest() if hashed else "", found


_HARMLESS = Facts(look="")
"""One for all: most files are neither programs nor secrets."""
