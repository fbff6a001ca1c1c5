"""Folders of results that appear whole or not at all."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.errors import InputError, StoreError
from builder.packages.store import Store


@contextmanager
def plain_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreError(
            f"'{folder}': can't be written: {reason}; free room or choose another folder"
        ) from None


@contextmanager
def replaced_as_a_whole(folder: Path, store: Store, *, marker: str) -> Iterator[Path]:
    """A new folder that takes the place of `folder` when the block ends well, and is gone when it doesn't.

    One process at a time works on the same folder, and sweeps what a killed one left there. `marker` is the
    file by which a folder of this kind is known: anything else that stands there is refused, not removed.
    """
    said, folder = folder, folder.absolute()
    fresh = folder.with_name(f".{folder.name}.partial")
    old = folder.with_name(f".{folder.name}.old")
    lock = hashlib.sha256(os.fsencode(folder)).hexdigest()
    with store.lock(f"layout-{lock}"), plain_errors(said):
        _refuse_foreign(said, marker)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if old.exists() and not folder.exists():  # killed between the two renames below
            old.rename(folder)
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            fresh.mkdir()
            yield fresh
            _exchange(fresh, folder, old)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _exchange(fresh: Path, folder: Path, old: Path) -> None:
    if not folder.exists():
        fresh.rename(folder)
        return
    folder.rename(old)
    try:
        fresh.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _refuse_foreign(folder: Path, marker: str) -> None:
    """What stands there is about to be removed: it had better be ours."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"'{folder}': is not a folder; choose another place")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / marker).is_file():
        raise InputError(f"'{folder}': holds something else ('{marker}' is not there); choose another folder")
