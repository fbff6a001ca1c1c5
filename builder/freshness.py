"""`temper outdated`: what a new lock would bring that the one there lacks. Nothing is written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builder.config.plan import lock_profile
from builder.config.problems import shown
from builder.config.workspace import Workspace
from builder.errors import InputError, LockError
from builder.locks import fresh_lock
from builder.model.lock import Lock, LockedPackage, LockedWheel
from builder.model.plan import Plan
from builder.packages.lock import read_lock
from builder.show import table
from builder.workplace import Workplace

SECURITY = "debian-security"
"""The archive of security updates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newer:
    """A package that would move."""

    kind: str
    """`deb` or `wheel`."""
    name: str
    locked: str
    """Empty for one that would come in."""
    newest: str
    """Empty for one that would go."""
    security: bool
    """The newer one stands in the archive of security updates. Of wheels nobody says so."""
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How an image's lock stands to the archive and the index."""

    image: str
    path: Path
    date: int
    """Of the lock, in seconds since the epoch."""
    newer: tuple[Newer, ...]


def locked_here(workspace: Workspace) -> tuple[str, ...]:
    """The images with a lock below the working directory. Raises `InputError` where there is none."""
    found = [name for name in workspace.images() if _is_here(workspace, workspace.lock_path(name))]
    if not found:
        raise InputError("no image here has a lock; name one, or run `temper lock` first")
    return tuple(found)


def _is_here(workspace: Workspace, lock: Path) -> bool:
    return lock.is_file() and lock.resolve().is_relative_to(workspace.cwd.resolve())


def freshness(place: Workplace, plan: Plan) -> Freshness:
    """Raises `LockError` without a lock or without the network, and what making a lock raises."""
    path = place.workspace.lock_path(plan.image, lock_profile(plan))
    locked = read_lock(Path(shown(path)))
    if place.offline:
        raise LockError("what is new can't be known without the network; run without --offline")
    newest = fresh_lock(place, plan, locked)
    return Freshness(image=plan.image, path=path, date=locked.date, newer=tuple(moves(locked, newest)))


Rows = dict[tuple[str, str, str, str, bool], list[str]]


def moves(locked: Lock, newest: Lock) -> Iterator[Newer]:
    """By kind and name; platforms that move alike share a row."""
    rows: Rows = {}
    for platform in sorted({*locked.platforms, *newest.platforms}):
        before, after = _contents(locked, platform), _contents(newest, platform)
        for kind, name in sorted({*before, *after}):
            old, new = before.get((kind, name)), after.get((kind, name))
            versions = (old.version if old else "", new.version if new else "")
            if versions[0] != versions[1]:
                secure = isinstance(new, LockedPackage) and new.archive == SECURITY
                rows.setdefault((kind, name, *versions, secure), []).append(platform)
    for (kind, name, before_, after_, secure), platforms in rows.items():
        yield Newer(
            kind=kind,
            name=name,
            locked=before_,
            newest=after_,
            security=secure,
            platforms=tuple(platforms),
        )


def _contents(lock: Lock, platform: str) -> Mapping[tuple[str, str], LockedPackage | LockedWheel]:
    section = lock.platforms.get(platform)
    if section is None:
        return {}
    return {
        **{("deb", one.name): one for one in section.packages},
        **{("wheel", one.name): one for one in section.wheels},
    }


def only_security(found: Freshness) -> Freshness:
    kept = tuple(one for one in found.newer if one.security)
    return Freshness(image=found.image, path=found.path, date=found.date, newer=kept)


def as_data(found: Sequence[Freshness]) -> list[dict[str, Any]]:
    return [
        {
            "image": one.image,
            "lock": shown(one.path),
            "date": _day(one.date),
            "newer": [
                {
                    "kind": row.kind,
                    "name": row.name,
                    "locked": row.locked or None,
                    "newest": row.newest or None,
                    "security": row.security,
                    "platforms": list(row.platforms),
                }
                for row in one.newer
            ],
        }
        for one in found
    ]


def as_text(found: Sequence[Freshness]) -> str:
    return "\n\n".join(map(_text, found))


def _text(one: Freshness) -> str:
    head = f"{one.image}: locked on {_day(one.date)}, {shown(one.path)}"
    if not one.newer:
        return f"{head}\n  nothing newer"
    rows = [
        (row.kind, row.name, row.locked or "-", "->", row.newest or "-", "security" if row.security else "")
        for row in one.newer
    ]
    return f"{head}\n{table(rows)}\n  run `temper lock {one.image}` to move to them"


def _day(date: int) -> str:
    return datetime.fromtimestamp(date, tz=UTC).date().isoformat()
