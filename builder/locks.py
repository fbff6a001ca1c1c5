"""The lock and what it names: read or made anew, fetched, unpacked."""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from builder.config.plan import lock_profile
from builder.config.problems import shown
from builder.controls.closure import gaps, is_plugin
from builder.errors import GoneError, LockError, NetworkError, StoreError
from builder.model.lock import Lock, LockedPackage, LockedPlatform, LockedWheel, Moving
from builder.model.package import Package
from builder.model.plan import Plan
from builder.packages.bases import find_base
from builder.packages.download import LOCK_AGAIN, Download, fetch
from builder.packages.lock import (
    differences,
    inputs_digest,
    lock_text,
    package_downloads,
    read_lock,
)
from builder.packages.store import Store
from builder.packages.unpack import unpack
from builder.rootfs.closure import MACHINES
from builder.rootfs.merge import merge
from builder.rootfs.sonames import packages_of
from builder.workplace import Workplace, host_platform

if TYPE_CHECKING:
    from builder.packages.locking import Fresh


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocked:
    lock: Lock
    path: Path
    previous: Lock | None
    """The one that stood there before."""
    fresh: "Fresh"
    """How the one before stood to the archive."""

    @property
    def written(self) -> bool:
        return self.lock != self.previous


def relock(place: Workplace, plan: Plan, moving: Moving = Moving.NEEDED) -> Relocked:
    """Locks to what the archive and the index hold now, and writes the lock beside the image.

    What is locked and still fits stays, unless `moving` says more; a lock in which nothing moves is not
    written: its date alone would make another image.
    """
    if place.offline:
        raise LockError("a new lock needs the network; run without --offline")
    source = place.workspace.lock_path(plan.image, lock_profile(plan))
    previous = read_lock(Path(shown(source))) if source.is_file() else None
    fresh = fresh_lock(place, plan, previous, moving)
    lock = fresh.lock
    if previous is not None and same_but_for_its_date(previous, lock):
        return Relocked(lock=previous, path=source, previous=previous, fresh=fresh)
    target = place.workspace.lock_target(plan.image, lock_profile(plan))
    write_lock(place.store, target, lock)
    return Relocked(lock=lock, path=target, previous=previous, fresh=fresh)


def same_but_for_its_date(one: Lock, other: Lock) -> bool:
    return one == other.model_copy(update={"date": one.date, "indexes": one.indexes})


def fresh_lock(place: Workplace, plan: Plan, previous: Lock | None, moving: Moving) -> "Fresh":
    """What a new lock would say. Its indexes may not be older than those of the `previous` one."""
    from builder.packages.locking import make_lock  # noqa: PLC0415 - a warm build reads no index

    making = partial(
        make_lock,
        plan,
        place.store,
        wheels=lambda platform, kept: _lock_wheels(place, plan, platform, kept),
        now=int(time.time()),
        previous=previous,
        progress=place.progress,
        moving=moving,
    )
    fresh = making()
    libraries = lacking_libraries(place, plan, fresh.lock)
    if libraries:
        fresh = making(libraries=libraries)
        for line in brought(libraries, fresh.lock):
            place.progress.note(line)
    return fresh


def brought(libraries: Mapping[str, str], lock: Lock) -> Iterator[str]:
    """Which package came for which library; the build's audit names those that none has."""
    locked = {package.name for section in lock.platforms.values() for package in section.packages}
    for soname, wheel in sorted(libraries.items()):
        for package in [name for name in packages_of(soname) if name in locked][:1]:
            yield f"wheel {wheel} needs {soname}; added {package}"


def lacking_libraries(place: Workplace, plan: Plan, lock: Lock) -> dict[str, str]:
    """Sonames that the locked wheels need and nothing locked brings, and the wheel that needs each.

    Looked up on one platform, whose wheels are fetched for it; the others need the same libraries.
    """
    platform = host_platform() if host_platform() in lock.platforms else min(lock.platforms)
    section = lock.platforms[platform]
    if not section.wheels:
        return {}
    fetch_section(place, plan, section, platform)
    place.progress.stage("looking for libraries that the wheels need")
    tree = merge(unpack(place.store, section, python_of(plan)), lock.date)
    found: dict[str, str] = {}
    for gap in gaps(tree, machine=MACHINES[platform], library_path=plan.spec.env.get("LD_LIBRARY_PATH")):
        owner = tree[gap.path].owner
        if owner.kind == "wheel" and gap.soname.startswith("lib") and not is_plugin(gap.path):
            found.setdefault(gap.soname, owner.name)
    return found


def _lock_wheels(
    place: Workplace, plan: Plan, platform: str, kept: tuple[LockedWheel, ...]
) -> tuple[LockedWheel, ...]:
    from builder.packages.python import lock_wheels  # noqa: PLC0415 - only a new lock needs uv

    if plan.spec.python is None or not plan.spec.python.requirements:
        return ()
    found = lock_wheels(plan.spec.python, platform, find_base(plan.spec.base).glibc, kept)
    for wheel in lost_wheels(plan, platform, kept, found):
        place.progress.note(f"{wheel.name} {wheel.version}: the package index no longer has it")
    return found


def lost_wheels(
    plan: Plan, platform: str, kept: tuple[LockedWheel, ...], found: tuple[LockedWheel, ...]
) -> Iterator[LockedWheel]:
    """Of those that were to be kept and moved: others moved since a requirement changed."""
    names = {wheel.name for wheel in found}
    for wheel in kept:
        if wheel.name in names and wheel not in found:
            try:
                wheel_downloads(plan, (wheel,), platform)
            except GoneError:
                yield wheel


def write_lock(store: Store, path: Path, lock: Lock) -> None:
    """Whole or not at all. One process at a time, so that what a killed one left is written over."""
    fresh = path.with_name(f".{path.name}.partial")
    with store.lock(f"lock-{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()}"):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(lock_text(lock), encoding="utf-8")
            fresh.replace(path)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StoreError(
                f"{shown(path)}: the lock can't be written: {reason}; free room, or mend the permissions"
            ) from None
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)


def current_lock(place: Workplace, plan: Plan) -> Lock:
    """The lock that fits the plan: the one that stands there, or a new one where that is allowed."""
    path = place.workspace.lock_path(plan.image, lock_profile(plan))
    if not path.is_file():
        reason = f"{shown(path)}: no such lock"
    else:
        lock = read_lock(Path(shown(path)))
        if lock.inputs == inputs_digest(plan):
            return lock
        reason = f"{shown(path)}: was made for other packages, requirements or platforms than the plan's"
    if place.locked or place.offline:
        raise LockError(f"{reason}; {_how_to_lock(plan)}")
    return _relock_aloud(place, plan, reason)


def _how_to_lock(plan: Plan) -> str:
    return f"run `temper lock {plan.image} --profile {plan.profile}`"


def _relock_aloud(place: Workplace, plan: Plan, reason: str) -> Lock:
    place.progress.note(f"{reason}; locking")
    relocked = relock(place, plan)
    for line in differences(relocked.previous, relocked.lock) if relocked.previous else ():
        place.progress.note(f"moved: {line}")
    if relocked.written:
        place.progress.note(f"wrote {shown(relocked.path)}")
    return relocked.lock


def gather(
    place: Workplace, plan: Plan, platform: str, *, wheels: bool = True
) -> tuple[Lock, tuple[Package, ...]]:
    """Everything the lock names for a platform, in the store and unpacked; or its packages alone."""
    lock = fetched(place, plan, platform, wheels=wheels)
    place.progress.stage("unpacking")
    return lock, unpack(place.store, section_of(lock, platform, wheels=wheels), python_of(plan))


def section_of(lock: Lock, platform: str, *, wheels: bool) -> LockedPlatform:
    section = lock.platforms[platform]
    return section if wheels else section.model_copy(update={"wheels": ()})


def fetched(place: Workplace, plan: Plan, platform: str, *, wheels: bool = True) -> Lock:
    """A lock of which everything is in the store.

    Where a locked file has left the mirror, locks anew once, unless `--locked` forbids it.
    """
    lock = current_lock(place, plan)
    try:
        fetch_section(place, plan, section_of(lock, platform, wheels=wheels), platform)
    except GoneError as error:
        if place.locked:
            raise LockError(
                f"{_without_advice(error)}\n"
                "the lock names files that have left the mirror, and --locked forbids a new one; "
                f"{_how_to_lock(plan)}"
            ) from None
        lock = _relock_aloud(place, plan, "locked files have left the mirror")
        _fetch_anew(place, plan, section_of(lock, platform, wheels=wheels), platform)
    return lock


def python_of(plan: Plan) -> str | None:
    return plan.spec.python.version if plan.spec.python is not None else None


def _fetch_anew(place: Workplace, plan: Plan, section: LockedPlatform, platform: str) -> None:
    """What even a new lock names can't be mended by another one."""
    try:
        fetch_section(place, plan, section, platform)
    except GoneError as error:
        raise NetworkError(
            f"{_without_advice(error)}\n"
            "the mirror's own index names files that it does not hold; try again later, or use another mirror"
        ) from None


def _without_advice(error: GoneError) -> str:
    return str(error).replace(LOCK_AGAIN, "")


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
