"""Wheels into entries, as an installer of the image's own Python would lay them out."""

from pathlib import Path

from builder.model.lock import LockedWheel
from builder.model.package import Package
from builder.model.tree import Owner
from builder.packages import unpacked
from builder.packages.store import Store

RECORD = "wheel-4"
"""Kind of the store's records; counted up when their form or what they say changes."""


def unpack_wheel(store: Store, locked: LockedWheel, python: str) -> Package:
    """The installed wheel's entries, contents being slices of a blob of the store; it must have been fetched.

    `python` is the image's version, `3.13`. The first time the wheel is unpacked, checked and recorded; after
    that the record is read. Raises `ArchiveError`, naming the wheel, for one that is malformed, unsafe, at
    odds with its own RECORD, or not what the lock says it is.
    """
    warm = recorded_wheel(store, locked, python)
    if warm is not None:
        return warm

    def install(path: Path) -> Package:
        from builder.packages.wheel_install import install_wheel  # noqa: PLC0415 - warm builds don't need it

        package, blob = install_wheel(store, path, locked, python)
        unpacked.save(store, RECORD, _key(locked, python), package, blob)
        return package

    return unpacked.unpack_stored(store, locked.sha256, locked.filename, install)


def recorded_wheel(store: Store, locked: LockedWheel, python: str) -> Package | None:
    """The package, where it was unpacked for this Python before."""
    owner = Owner(kind="wheel", name=locked.name, version=locked.version)
    return unpacked.load(store, RECORD, _key(locked, python), owner)


def _key(locked: LockedWheel, python: str) -> str:
    return f"{locked.sha256}-{python}"
