"""Layers put on top of each other, as an engine does it (OCI image-spec 1.1, layer.md, "Whiteouts")."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from builder.model.tree import Entry, Kind, Owner, Rootfs, parents

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_RESERVED = ".wh..wh."
"""AUFS' own bookkeeping, which engines pass over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One layer's archive, its whiteouts told apart from what it adds."""

    entries: tuple[Entry, ...]
    removed: frozenset[str]
    emptied: frozenset[str]
    """Opaque directories: nothing of the layers below is seen in them."""


def parse_change(entries: Iterable[Entry]) -> Change:
    added, removed, emptied = [], set(), set()
    for entry in entries:
        folder, _, name = entry.path.rpartition("/")
        if name == _OPAQUE:
            emptied.add(folder)
        elif not name.startswith(_WHITEOUT):
            added.append(entry)
        elif not name.startswith(_RESERVED):
            removed.add(f"{folder}/{name[len(_WHITEOUT) :]}".lstrip("/"))
    return Change(entries=tuple(added), removed=frozenset(removed), emptied=frozenset(emptied))


@dataclass(slots=True)
class Merged:
    """The tree that the layers so far add up to; it grows in place, since an image may have a hundred."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def apply(self, change: Change) -> tuple[str, ...]:
        """Puts a layer on top; returns the paths below that its whiteouts hide."""
        tree = self.entries
        replaced = {
            entry.path
            for entry in change.entries
            if entry.kind is not Kind.DIRECTORY and _is_directory(tree, entry.path)
        }
        whiteouts = _hidden(tree, change.removed, change.emptied)
        for path in (*whiteouts, *_hidden(tree, frozenset(), replaced)):
            tree.pop(path, None)
        for entry in change.entries:
            tree[entry.path] = entry
        sound: set[str] = set()
        for entry in change.entries:
            self._stand(entry, sound)
        return tuple(sorted(whiteouts))

    def _stand(self, entry: Entry, sound: set[str]) -> None:
        """The folders above, where the archive leaves them to the layers below and they aren't there."""
        path = entry.path
        while (cut := path.rfind("/")) > 0:
            path = path[:cut]
            if path in sound:
                return
            sound.add(path)
            if not _is_directory(self.entries, path):
                self.entries[path] = implied(path, entry)

    def tree(self) -> Rootfs:
        return Rootfs.of(self.entries.values())


def _hidden(
    tree: Mapping[str, Entry], removed: frozenset[str], emptied: frozenset[str] | set[str]
) -> list[str]:
    folders = removed | emptied
    if not folders:
        return []
    return [path for path in tree if path in removed or _lies_below(path, folders)]


def apply(below: Rootfs, change: Change) -> tuple[Rootfs, tuple[str, ...]]:
    """The merged tree, and the paths of `below` that the layer's whiteouts hide."""
    merged = Merged(dict(below.items()))
    whiteouts = merged.apply(change)
    return merged.tree(), whiteouts


def own_tree(change: Change) -> Rootfs:
    """What the layer adds, with the parents that its archive leaves to the layers below."""
    return Rootfs().with_entries(change.entries)


def implied(path: str, child: Entry) -> Entry:
    """The directory that an engine makes where an archive brings only what lies in it."""
    owner = Owner(kind="layer", name=child.owner.name)
    return Entry(path=path, kind=Kind.DIRECTORY, mode=0o755, mtime=child.mtime, owner=owner)


def _is_directory(tree: Mapping[str, Entry], path: str) -> bool:
    entry = tree.get(path)
    return entry is not None and entry.kind is Kind.DIRECTORY


def _lies_below(path: str, folders: frozenset[str] | set[str]) -> bool:
    return "" in folders or any(parent in folders for parent in parents(path))
