"""One pass over all that an image holds, so that a catalogue of controls does not make one each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from typing import NamedTuple, TypeVar
from weakref import ref

from builder.model.image import Image
from builder.model.report import Finding
from builder.model.tree import Entry, Kind

T = TypeVar("T")


class Placed(NamedTuple):
    """An entry and where it stands: in the merged tree, or hidden in a layer below."""

    entry: Entry
    layer: str = ""
    """Digest (or name, before it is written) of the layer; empty for the merged tree."""

    def finding(self, text: str) -> Finding:
        where = f", hidden in layer {self.layer}" if self.layer else ""
        path = self.entry.path
        return Finding(message=f"{path} {text}{where}", path=path, layer=self.layer)


@dataclass(frozen=True, slots=True)
class Survey:
    """What stands out. Each list also holds what later layers replaced or hid: it can still be read."""

    setuid: list[Placed] = field(default_factory=list)
    """Files with a setuid or setgid bit."""
    writable: list[Placed] = field(default_factory=list)
    """Files and directories that group or others may write."""
    not_root: list[Placed] = field(default_factory=list)
    """Whatever belongs to another user or group than root."""
    special: list[Placed] = field(default_factory=list)
    """Devices and fifos."""
    xattrs: list[Placed] = field(default_factory=list)
    """Whatever has extended attributes."""
    first: dict[str, Entry] = field(default_factory=dict)
    """An entry for each name, and `more` the others of that name: most names stand for one entry only."""
    more: dict[str, list[Placed]] = field(default_factory=dict)

    def named(self, name: str) -> list[Placed]:
        """Everything whose path ends with this part."""
        there = self.first.get(name)
        return [*([Placed(there)] if there is not None else ()), *self.more.get(name, ())]

    def names(self) -> Iterator[str]:
        yield from self.first
        yield from (name for name in self.more if name not in self.first)


def remembered(function: Callable[[Image], T]) -> Callable[[Image], T]:
    """Keeps the answer for the image asked about last: an audit asks dozens of times about one image.

    By identity, since a tree of 50,000 entries is no cheap key; and no longer than there is the image, since
    an answer holds its entries too.
    """
    last: list[tuple[ref[Image], T]] = []

    @wraps(function)
    def remembering(image: Image) -> T:
        for known, answer in last:
            if known() is image:
                return answer
        answer = function(image)
        last[:] = [(ref(image, forget), answer)]
        return answer

    def forget(gone: "ref[Image]") -> None:
        last[:] = [one for one in last if one[0] is not gone]

    return remembering


def hidden(image: Image) -> Iterator[Placed]:
    """Files, links and special files of a layer that the merged tree doesn't show as they are there."""
    merged = image.rootfs
    for layer in image.layers:
        name = layer.digest or layer.name
        for path, entry in layer.rootfs.items():
            shown = merged.get(path)
            if shown is not entry and entry.kind is not Kind.DIRECTORY and shown != entry:
                yield Placed(entry, name)


@remembered
def survey(image: Image) -> Survey:
    found = Survey()
    first = found.first
    for path, entry in image.rootfs.items():
        name = path.rpartition("/")[2]
        if first.setdefault(name, entry) is not entry:
            found.more.setdefault(name, []).append(Placed(entry))
        stands_out = entry.mode & 0o6022 or entry.uid or entry.gid or entry.xattrs
        if stands_out or (entry.kind is not Kind.FILE and entry.kind in SPECIAL):
            _note(found, Placed(entry))
    for placed in hidden(image):
        found.more.setdefault(placed.entry.path.rpartition("/")[2], []).append(placed)
        _note(found, placed)
    return found


SPECIAL = (Kind.DEVICE, Kind.FIFO)


def _note(found: Survey, placed: Placed) -> None:
    entry = placed.entry
    if entry.uid or entry.gid:
        found.not_root.append(placed)
    if entry.xattrs:
        found.xattrs.append(placed)
    if entry.kind in SPECIAL:
        found.special.append(placed)
    elif entry.kind is not Kind.SYMLINK and entry.mode & 0o022:
        found.writable.append(placed)
    if entry.kind is Kind.FILE and entry.mode & 0o6000:
        found.setuid.append(placed)
