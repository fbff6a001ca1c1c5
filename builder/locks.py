"""The lock and what it names: read or made anew, fetched, unpacked."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from builder.config.plan import lock_profile
from builder.errors import ArchiveError, GoneError, LockError, NetworkError, StoreError
from builder.model.lock import Lock, LockedPackage, LockedPlatform, LockedWheel
from builder.model.package import Package
from builder.model.plan import Plan
from builder.packages.bases import find_base
from builder.packages.deb import unpack_deb
from builder.packages.download import Download, fetch
from builder.packages.lock import (
    differences,
    inputs_digest,
    lock_text,
    make_lock,
    package_downloads,
    read_lock,
)
from builder.packages.unpack import unpack
from builder.workplace import Workplace


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocked:
    lock: Lock
    path: Path
    moved: tuple[str, ...]
    """`libc6 2.41-11 -> 2.41-12`; empty for a first lock."""


def relock(place: Workplace, plan: Plan) -> Relocked:
    """Locks to what the archive and the index hold now, and writes the lock beside the image."""
    if place.offline:
        raise LockError("a new lock needs the network; run without --offline")
    source = place.workspace.lock_path(plan.image, lock_profile(plan))
    previous = read_lock(source) if source.is_file() else None
    lock = make_lock(
        plan,
        place.store,
        wheels=lambda platform: _lock_wheels(plan, platform),
        now=int(time.time()),
        previous=previous,
        progress=place.progress,
    )
    target = place.workspace.lock_target(plan.image, lock_profile(plan))
    write_lock(target, lock)
    return Relocked(lock=lock, path=target, moved=differences(previous, lock) if previous else ())


def _lock_wheels(plan: Plan, platform: str) -> tuple[LockedWheel, ...]:
    from builder.packages.python import lock_wheels  # noqa: PLC0415 - only a new lock needs uv

    if plan.spec.python is None or not plan.spec.python.requirements:
        return ()
    return lock_wheels(plan.spec.python, platform, find_base(plan.spec.base).glibc)


def write_lock(path: Path, lock: Lock) -> None:
    """Whole or not at all."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(lock_text(lock), encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(f"{path}: the lock can't be written: {reason}") from None
    finally:
        fresh.unlink(missing_ok=True)


def current_lock(place: Workplace, plan: Plan) -> Lock:
    """The lock that fits the plan: the one that stands there, or a new one where that is allowed."""
    path = place.workspace.lock_path(plan.image, lock_profile(plan))
    if not path.is_file():
        reason = f"{path}: no such lock"
    else:
        lock = read_lock(path)
        if lock.inputs == inputs_digest(plan):
            return lock
        reason = f"{path}: was made for other packages, requirements or platforms than the plan's"
    if place.locked or place.offline:
        raise LockError(f"{reason}; {_how_to_lock(plan)}")
    return _relock_aloud(place, plan, reason)


def _how_to_lock(plan: Plan) -> str:
    return f"run `temper lock {plan.image} --profile {plan.profile}`"


def _relock_aloud(place: Workplace, plan: Plan, reason: str) -> Lock:
    place.progress.note(f"{reason}; locking")
    relocked = relock(place, plan)
    for line in relocked.moved:
        place.progress.note(f"moved: {line}")
    place.progress.note(f"wrote {relocked.path}")
    return relocked.lock


def gather(place: Workplace, plan: Plan, platform: str) -> tuple[Lock, tuple[Package, ...]]:
    """Everything the lock names for a platform, in the store and unpacked.

    Where a locked file has left the mirror, locks anew once, unless `--locked` forbids it.
    """
    lock = current_lock(place, plan)
    try:
        fetch_section(place, plan, lock.platforms[platform], platform)
    except GoneError as error:
        if place.locked:
            raise LockError(
                f"{error}\nthe lock names files that have left the mirror, and --locked forbids a new one; "
                + _how_to_lock(plan)
            ) from None
        lock = _relock_aloud(place, plan, "locked files have left the mirror")
        fetch_section(place, plan, lock.platforms[platform], platform)
    place.progress.stage("unpacking")
    python = plan.spec.python.version if plan.spec.python is not None else None
    return lock, unpack(place.store, lock.platforms[platform], python)


def fetch_section(place: Workplace, plan: Plan, section: LockedPlatform, platform: str) -> None:
    """Asks for mirrors and for the wheels' addresses only where something is missing."""
    packages = absent(place, section.packages)
    wheels = tuple(wheel for wheel in section.wheels if not place.store.has(wheel.sha256))
    if not packages and not wheels:
        return
    if place.offline:
        names = [one.path.rpartition("/")[2] for one in packages] + [wheel.filename for wheel in wheels]
        raise NetworkError(
            f"--offline: the store '{place.store.root}' lacks {len(names)} of the locked files: "
            f"{', '.join(names)}; run once without --offline"
        )
    place.progress.stage("downloading")
    downloads = package_downloads(packages) + wheel_downloads(plan, wheels, platform)
    fetch(place.store, downloads, place.progress)


def absent(place: Workplace, packages: tuple[LockedPackage, ...]) -> tuple[LockedPackage, ...]:
    return tuple(package for package in packages if not place.store.has(package.sha256))


def wheel_downloads(plan: Plan, wheels: tuple[LockedWheel, ...], platform: str) -> tuple[Download, ...]:
    if not wheels or plan.spec.python is None:
        return ()
    from builder.packages.python import wheel_urls  # noqa: PLC0415 - a warm build doesn't need uv

    urls = wheel_urls(wheels, plan.spec.python, platform)
    return tuple(
        Download(url=urls[wheel.filename], sha256=wheel.sha256, size=wheel.size, name=wheel.filename)
        for wheel in wheels
    )


def busybox(place: Workplace, section: LockedPlatform) -> Path:
    """A static busybox for the toolbox that live suites bring along, out of its locked package.

    Raises `ArchiveError` where the package holds none.
    """
    [locked] = section.toolbox
    if not place.store.has(locked.sha256):
        fetch(place.store, package_downloads((locked,)), place.progress, offline=place.offline)
    package = unpack_deb(place.store, locked)
    for entry in package.entries:
        if entry.path.endswith("bin/busybox") and entry.content is not None:
            with entry.content.open() as stream:
                return place.store.blob(place.store.put(stream.read()))
    raise ArchiveError(f"{locked.path}: holds no busybox")
