"""All packages of a lock into entries: what was unpacked before is read, the rest is unpacked in parallel."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from builder.model.lock import LockedPlatform
from builder.model.package import Package
from builder.packages.deb import recorded_deb, unpack_deb
from builder.packages.store import Store, give_up
from builder.packages.wheel import recorded_wheel, unpack_wheel

MAX_WORKERS = 4
"""Decoding runs in parallel, Python's part of it does not; and each decoder may need 65 MiB."""


def unpack(store: Store, locked: LockedPlatform, python: str | None) -> tuple[Package, ...]:
    """Debian packages, then wheels, each in the lock's order; all must have been fetched.

    `python` is the image's version, `3.13`; wheels need one. Raises as `unpack_deb` and `unpack_wheel` do,
    for the first package in order that is malformed.
    """
    known = [recorded_deb(store, deb) for deb in locked.packages]
    steps: list[Callable[[], Package]] = [partial(unpack_deb, store, deb) for deb in locked.packages]
    if python is not None:
        known += [recorded_wheel(store, wheel, python) for wheel in locked.wheels]
        steps += [partial(unpack_wheel, store, wheel, python) for wheel in locked.wheels]
    missing = [step for step, package in zip(steps, known, strict=True) if package is None]
    if missing:
        with ThreadPoolExecutor(min(MAX_WORKERS, os.cpu_count() or 1)) as pool, given_up():
            for _ in pool.map(_recorded, missing):
                pass
    return tuple(package or step() for package, step in zip(known, steps, strict=True))


@contextmanager
def given_up() -> Iterator[None]:
    """Ctrl-C ends the workers too, whatever they wait for: the pool is not left before they have ended."""
    try:
        yield
    except KeyboardInterrupt:
        give_up()
        raise


def _recorded(step: Callable[[], Package]) -> None:
    """Into the store only: nothing that stays in memory is made among all that is needed for a moment, so
    that the rest of the build has that memory again."""
    step()
