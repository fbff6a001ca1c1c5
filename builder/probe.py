"""The probe program for images that no lock of ours belongs to."""

import time
from collections.abc import Iterator
from pathlib import Path

from builder.errors import GoneError, LockError, NetworkError
from builder.locks import absent
from builder.model.lock import LockedPlatform
from builder.packages.lock import read_lock
from builder.tools import busybox, tool
from builder.workplace import Workplace

BASE = "debian/trixie"
"""Whose busybox is taken where no lock here has one that can be had. It is static: it runs in any image."""


def spare_busybox(place: Workplace, platform: str) -> Path:
    """By the lock of any image here, else what the archive's signed index has today.

    A lock whose package is in the store goes before others, a newer one before an older one.

    Raises `NetworkError`, `TrustError` or `ArchiveError`.
    """
    for section in locked_toolboxes(place, platform):
        try:
            return busybox(place, section)
        except GoneError:  # it has left the mirror: a newer one hasn't
            continue
    if place.offline:
        raise NetworkError(
            f"--offline: no lock here has busybox-static for {platform}; run once without --offline"
        )
    from builder.packages.locking import lock_probe  # noqa: PLC0415 - it brings the whole index reader

    packages = lock_probe(place.store, BASE, platform, int(time.time()), place.progress)
    return busybox(place, LockedPlatform(packages=(), toolbox=packages))


def locked_toolboxes(place: Workplace, platform: str) -> list[LockedPlatform]:
    found = sorted(_sections(place, platform), key=lambda item: item[0], reverse=True)
    sections = [section for _, section in found]
    return sorted(sections, key=lambda section: bool(absent(place, (tool(section, "busybox-static"),))))


def _sections(place: Workplace, platform: str) -> Iterator[tuple[int, LockedPlatform]]:
    for image in place.workspace.images():
        path = place.workspace.lock_path(image)
        try:
            lock = read_lock(path)
            section = lock.platforms[platform]
            tool(section, "busybox-static")
        except (LockError, KeyError):  # of an older Temper, for other platforms, or none at all
            continue
        yield lock.date, section
