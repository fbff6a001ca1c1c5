"""What live verification brings along: busybox and strace, out of their locked packages."""

from pathlib import Path

from builder.errors import ArchiveError, LockError
from builder.locks import absent
from builder.model.lock import LockedPackage, LockedPlatform
from builder.model.package import Package
from builder.model.tree import Rootfs
from builder.packages.deb import unpack_deb
from builder.packages.download import fetch
from builder.packages.lock import package_downloads
from builder.rootfs.merge import merge
from builder.workplace import Workplace


def busybox(place: Workplace, section: LockedPlatform) -> Path:
    """A static busybox for the toolbox that live suites bring along, out of its locked package.

    Raises `ArchiveError` where the package holds none.
    """
    locked = tool(section, "busybox-static")
    [package] = unpacked(place, (locked,))
    for entry in package.entries:
        if entry.path.endswith("bin/busybox") and entry.content is not None:
            with entry.content.open() as stream:
                return place.store.blob(place.store.put(stream.read()))
    raise ArchiveError(f"{locked.path}: holds no busybox")


def strace(place: Workplace, section: LockedPlatform) -> Rootfs:
    """What strace's locked packages hold, its libraries among them, as one tree."""
    tool(section, "strace")
    return merge(unpacked(place, section.toolbox), 0)


def tool(section: LockedPlatform, name: str) -> LockedPackage:
    """Raises `LockError` for a lock of a version of Temper whose toolbox did not have it."""
    for locked in section.toolbox:
        if locked.name == name:
            return locked
    raise LockError(f"the lock's toolbox has no {name}; run `temper lock` to lock it anew")


def unpacked(place: Workplace, wanted: tuple[LockedPackage, ...]) -> tuple[Package, ...]:
    """Fetched first, where they aren't in the store."""
    if lacking := absent(place, wanted):
        fetch(place.store, package_downloads(lacking), place.progress, offline=place.offline)
    return tuple(unpack_deb(place.store, locked) for locked in wanted)
