"""Layers put on top of each other, as an engine does it (OCI image-spec 1.1, layer.md, "Whiteouts")."""

from collections.abc import Iterable
from dataclasses import dataclass

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


def apply(below: Rootfs, change: Change) -> tuple[Rootfs, tuple[str, ...]]:
    """The merged tree, and the paths of `below` that the layer's whiteouts hide."""
    tree = {path: entry for path, entry in below.items() if path not in change.removed}
    replaced = {entry.path for entry in change.entries if entry.kind is not Kind.DIRECTORY}
    if change.removed or change.emptied or any(_is_directory(below, path) for path in replaced):
        gone = change.removed | change.emptied | replaced
        tree = {path: entry for path, entry in tree.items() if not _lies_below(path, gone)}
    whiteouts = tuple(
        path for path in below if path in change.removed or _lies_below(path, change.removed | change.emptied)
    )
    for entry in change.entries:
        tree[entry.path] = entry
    for entry in change.entries:
        for parent in parents(entry.path):
            if parent not in tree or not _is_directory(tree, parent):
                tree[parent] = implied(parent, entry)
    return Rootfs.of(tree.values()), whiteouts


def own_tree(change: Change) -> Rootfs:
    """What the layer adds, with the parents that its archive leaves to the layers below."""
    return Rootfs().with_entries(change.entries)


def implied(path: str, child: Entry) -> Entry:
    """The directory that an engine makes where an archive brings only what lies in it."""
    owner = Owner(kind="layer", name=child.owner.name)
    return Entry(path=path, kind=Kind.DIRECTORY, mode=0o755, mtime=child.mtime, owner=owner)


def _is_directory(tree: Rootfs | dict[str, Entry], path: str) -> bool:
    entry = tree.get(path)
    return entry is not None and entry.kind is Kind.DIRECTORY


def _lies_below(path: str, folders: frozenset[str] | set[str]) -> bool:
    if not folders:
        return False
    return "" in folders or any(parent in folders for parent in parents(path))
