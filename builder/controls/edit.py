"""How `enforce` changes an image. A changed tree no longer is what its layers add up to, so they go."""

from collections.abc import Callable, Iterable

from builder.model.image import Image
from builder.model.tree import Entry, Kind, Owner, Rootfs

Change = Callable[[Entry], Entry | None]
"""Gives back the same entry, a changed one, or `None` to remove it (not for directories)."""

BY_CONTROL = Owner(kind="temper", name="controls")


def flattened(image: Image) -> Image:
    """Only what the merged tree shows: nothing hidden, no history, not yet written."""
    return image.replace(layers=(), history=(), digest="", size=0)


def with_rootfs(image: Image, rootfs: Rootfs) -> Image:
    return image if rootfs is image.rootfs else flattened(image).replace(rootfs=rootfs)


def mend(image: Image, change: Change) -> Image:
    return with_rootfs(image, mended(image.rootfs, change))


def mended(rootfs: Rootfs, change: Change) -> Rootfs:
    """The tree itself where nothing changes: controls and reports go by identity."""
    changed: dict[str, Entry | None] = {}
    for entry in rootfs.values():
        after = change(entry)
        if after is not entry:
            changed[entry.path] = after
    if not changed:
        return rootfs
    kept = {path: changed.get(path, entry) for path, entry in rootfs.items()}
    return Rootfs({path: entry for path, entry in kept.items() if entry is not None})


def without(image: Image, paths: Iterable[str]) -> Image:
    """Directories go with all that is below them."""
    return with_rootfs(image, image.rootfs.without(paths))


def directory(path: str, mode: int, uid: int, gid: int, mtime: int) -> Entry:
    return Entry(path=path, kind=Kind.DIRECTORY, mode=mode, uid=uid, gid=gid, mtime=mtime, owner=BY_CONTROL)
