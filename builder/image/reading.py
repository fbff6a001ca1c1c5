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
from builder.image.memory import Held, Memory
from builder.image.plain_stream import PlainStream
from builder.image.stored import Stored
from builder.image.streams import LayerStream, Span, packing_of
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
    names = layer_names(data)
    shared = _Shared(memory)
    layers = []
    with _no_collection():
        for number, (span, diff_id) in enumerate(zip(stored.layers, data.diff_ids, strict=True)):
            name = names[number] if number < len(names) and names[number] else f"layer {number + 1}"
            layers.append(shared.read(span, diff_id, name))
        tree = shared.merged.tree()
    return Image(
        rootfs=tree,
        config=parse_config(data),
        layers=tuple(layers),
        history=parse_history(data),
        digest=stored.manifest,
        size=sum(span.size for span in stored.layers),
        annotations=stored.annotations,
    )


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


def layer_stream(span: Span) -> LayerStream | PlainStream:
    return PlainStream(span) if packing_of(span).kind == "none" else LayerStream(span)


class _Shared:
    """What the layers of one image have in common."""

    def __init__(self, memory: Memory | None) -> None:
        self.merged = Merged()
        self._memory = memory
        self._budget = Budget()
        self._room = Room()

    def read(self, span: Span, diff_id: str, name: str) -> Layer:
        owner = Owner(kind="layer", name=name)
        held = self._memory.recall(span, owner) if self._memory is not None else None
        known = held is not None
        if held is None:
            held = self._stream(span, owner)
        if held.diff_id != diff_id:
            raise ArchiveError(
                f"{span.problem_prefix}: unpacks to {held.diff_id}, though the config says {diff_id}"
            )
        if self._memory is not None and not known and not self._borrows(held):
            self._memory.keep(span, held)
        change = parse_change(held.entries)
        return Layer(
            name=name,
            whiteouts=self.merged.apply(change),
            rootfs=own_tree(change),
            digest=held.digest,
            diff_id=held.diff_id,
            size=span.size,
            problems=held.problems,
        )

    def _stream(self, span: Span, owner: Owner) -> Held:
        """Reads the blob from its first byte to its last."""
        with layer_stream(span) as stream:
            keep = keeper(span, stream.packing, self._budget, hashed=self._memory is not None)
            entries, problems = read_layer(
                cast(BinaryIO, stream), span.problem_prefix, owner, keep, self.merged.entries, self._room
            )
            digest, plain = stream.finish()
        if span.name.startswith("sha256:") and digest != span.name:
            raise ArchiveError(
                f"{span.problem_prefix}: is damaged: its bytes are {digest}; build the image again"
            )
        return Held(entries=entries, digest=digest, diff_id=plain, packing=stream.packing, problems=problems)

    def _borrows(self, held: Held) -> bool:
        """Whether hard links of it lead to files of the layers below."""
        below = {id(entry.content) for entry in self.merged.entries.values() if entry.content is not None}
        return any(id(entry.content) in below for entry in held.entries)
