"""An image read out of its stored parts: every layer once, as a stream or out of memory, and merged.

Nothing is believed: digests are checked, and what an image may claim of memory and time is bounded.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from builder.errors import ArchiveError
from builder.image.config import layer_names, parse_config, parse_history
from builder.image.contents import Budget, keeper
from builder.image.documents import Config, parse
from builder.image.flatten import Merged, own_tree, parse_change
from builder.image.hashing import Hashing
from builder.image.memory import Held, Memory
from builder.image.packed_stream import PackedStream
from builder.image.plain_stream import PlainStream
from builder.image.stored import Stored
from builder.image.streams import Packing, Span, packing_of
from builder.model.image import Image, Layer
from builder.model.tree import Owner
from builder.rootfs.archive import Room, read_layer


def read_image(stored: Stored, memory: Memory | None = None) -> Image:
    """Reads and merges the layers, and checks them against the config's `diff_ids`.

    A layer that `memory` knows is not read again.
    """
    data = parse(Config, stored.config, f"'{stored.image_id}': config")
    if len(data.diff_ids) != len(stored.layers):
        raise ArchiveError(
            f"{stored.image_id}: the config names {len(data.diff_ids)} layers, "
            f"the manifest {len(stored.layers)}"
        )
    with _no_collection():
        owners = _owners(data, len(stored.layers))
        told = tuple(zip(stored.layers, owners, strict=True))
        believed = [
            memory.recall(*one, None) if memory is not None and memory.believes(one[0]) else None
            for one in told
        ]
        with Hashing(one[0] for one, held in zip(told, believed, strict=True) if held is None) as hashing:
            known = [
                held or (memory.recall(*one, hashing) if memory is not None else None)
                for one, held in zip(told, believed, strict=True)
            ]
            shared = _Shared(hashing, memory)
            parts = zip(stored.layers, data.diff_ids, owners, known, strict=True)
            layers = tuple([shared.layer(*one) for one in parts])
        tree = shared.merged.tree()
    return Image(
        rootfs=tree,
        config=parse_config(data),
        layers=layers,
        history=parse_history(data),
        digest=stored.manifest,
        size=sum(span.size for span in stored.layers),
        annotations=stored.annotations,
    )


def read_alone(span: Span, name: str) -> Layer:
    """One layer, whatever lies below it, from its first byte to its last. Raises `ArchiveError`."""
    with Hashing([span]) as hashing:
        held = _Shared(hashing, None).read(span, Owner(kind="layer", name=name))
    return Layer(
        name=name,
        rootfs=own_tree(parse_change(held.entries)),
        digest=held.digest,
        diff_id=held.diff_id,
        size=span.size,
        problems=held.problems,
    )


def _owners(data: Config, count: int) -> list[Owner]:
    """By the steps that made the layers, as far as the history tells."""
    names = (*layer_names(data), *[""] * count)[:count]
    return [Owner(kind="layer", name=name or f"layer {number}") for number, name in enumerate(names, 1)]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Only ever more objects come: the collector would walk through all of them again and again.

    Nor does it afterwards: the entries of a tree hold no cycles.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.freeze()
            gc.enable()


class _Shared:
    """What the layers of one image have in common."""

    def __init__(self, hashing: Hashing, memory: Memory | None) -> None:
        self.merged = Merged()
        self._hashing = hashing
        self._memory = memory
        self._budget = Budget()
        self._room = Room()

    def layer(self, span: Span, diff_id: str, owner: Owner, known: Held | None) -> Layer:
        """Put on top of those before it."""
        held = known or self._fresh(span, owner)
        if held.diff_id != diff_id:
            raise ArchiveError(
                f"{span.problem_prefix}: unpacks to {held.diff_id}, though the config says {diff_id}"
            )
        change = parse_change(held.entries)
        return Layer(
            name=owner.name,
            whiteouts=self.merged.apply(change),
            rootfs=own_tree(change),
            digest=held.digest,
            diff_id=held.diff_id,
            size=span.size,
            problems=held.problems,
        )

    def _fresh(self, span: Span, owner: Owner) -> Held:
        """Read, and remembered for the next time. What is remembered takes less memory: its texts lie in the
        store, so that those of one layer at a time are here."""
        held = self.read(span, owner)
        if self._memory is None or self._borrows(held) or not self._memory.keep(span, held):
            return held
        del held
        return self._memory.recorded(span, owner) or self.read(span, owner)

    def read(self, span: Span, owner: Owner) -> Held:
        """The blob from its first byte to its last."""
        packing = packing_of(span)
        with self._stream(span, packing) as stream:
            apart = stream.elsewhere() if isinstance(stream, PlainStream) else None
            hashed = self._memory is not None
            keep = keeper(span, packing, self._budget, hashed=hashed, elsewhere=apart)
            entries, problems = read_layer(
                cast(BinaryIO, stream), span.problem_prefix, owner, keep, self.merged.entries, self._room
            )
            digest, plain = stream.finish()
        if span.name.startswith("sha256:") and digest != span.name:
            raise ArchiveError(
                f"{span.problem_prefix}: is damaged: its bytes are {digest}; build the image again"
            )
        return Held(entries=entries, digest=digest, diff_id=plain, packing=packing, problems=problems)

    def _stream(self, span: Span, packing: Packing) -> PackedStream | PlainStream:
        if packing.kind == "none":
            return PlainStream(span, self._hashing)
        return PackedStream(span, packing, self._hashing)

    def _borrows(self, held: Held) -> bool:
        """Whether hard links of it lead to files of the layers below. All empty files share their content."""
        below = {id(entry.content) for entry in self.merged.entries.values() if entry.size}
        return any(entry.size and id(entry.content) in below for entry in held.entries)
