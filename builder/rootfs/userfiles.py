"""The image's own files, from the folder of image.yaml into the tree."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from builder.errors import InputError
from builder.model.spec import FileSpec
from builder.model.tree import Entry, Kind, Owner, Slice
from builder.rootfs.elf import facts

SKIPPED = frozenset({"__pycache__", ".git", ".DS_Store"})
"""Never meant for an image, and different on every machine."""
CACHE_TAG = b"Signature: 8a477f597d28d172789f06886806bc55"
"""Begins the file CACHEDIR.TAG in a folder that a tool made for itself, such as mypy's beside the code
(Cache Directory Tagging Specification)."""


def user_entries(folder: Path, files: tuple[FileSpec, ...], mtime: int) -> list[Entry]:
    """Owned by root, 0644 or 0755; only the owner's execute bit of the source counts, never the umask.

    Raises `InputError` naming every source that is missing or leaves the folder.
    """
    problems: list[str] = []
    entries: list[Entry] = []
    for spec in files:
        source, home = folder / spec.source, spec.home(folder)
        if home is None or not source.resolve().is_relative_to(home.resolve()):
            problems.append(f"{source}: lies outside of {home or folder}; copy it into the image's folder")
        elif not source.exists():
            problems.append(f"{source}: not found; `files` needs it")
        else:
            entries += entries_of(source, spec, mtime, problems)
    if problems:
        raise InputError(problems)
    return entries


def entries_of(source: Path, spec: FileSpec, mtime: int, problems: list[str]) -> Iterator[Entry]:
    owner = Owner(kind="file", name=spec.source)
    target = spec.target.lstrip("/")
    if not source.is_dir():
        yield entry_of(source, target, spec, owner, mtime)
        return
    yield Entry(path=target, kind=Kind.DIRECTORY, mode=0o755, mtime=mtime, owner=owner)
    caches = caches_below(source)
    for path in sorted(source.rglob("*")):
        parts = path.relative_to(source).parts
        if path in caches or caches.intersection(path.parents):
            continue
        if SKIPPED.intersection(parts) or path.suffix == ".pyc":
            continue
        if not path.resolve().is_relative_to(source.resolve()):
            problems.append(f"{path}: is a link out of {source}; copy what it points to")
        else:
            yield entry_of(path, "/".join([target, *parts]), spec, owner, mtime)


def caches_below(source: Path) -> set[Path]:
    """One that is named as the source itself is wanted."""
    tags = (path for path in source.rglob("CACHEDIR.TAG") if path.is_file())
    return {path.parent for path in tags if path.read_bytes().startswith(CACHE_TAG)} - {source}


def entry_of(path: Path, target: str, spec: FileSpec, owner: Owner, mtime: int) -> Entry:
    if path.is_symlink():
        link = str(path.readlink())
        return Entry(path=target, kind=Kind.SYMLINK, mode=0o777, target=link, mtime=mtime, owner=owner)
    if path.is_dir():
        return Entry(path=target, kind=Kind.DIRECTORY, mode=0o755, mtime=mtime, owner=owner)
    executable = spec.executable or path.stat().st_mode & 0o100
    mode = 0o755 if executable else 0o644
    content = content_of(path)
    return Entry(path=target, kind=Kind.FILE, mode=mode, content=content, mtime=mtime, owner=owner)


def content_of(path: Path) -> Slice:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        found = facts(stream)
    return Slice(path=path, offset=0, size=path.stat().st_size, sha256=digest, facts=found)
