"""`temper outdated` and `temper lock`: what a new lock brings that the one before lacks, as a table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builder.config.plan import lock_profile
from builder.config.problems import shown
from builder.config.workspace import Workspace
from builder.errors import InputError, LockError
from builder.locks import Relocked, fresh_lock, relock
from builder.model.lock import Lock, LockedPackage, LockedWheel, Moving
from builder.model.plan import Plan
from builder.packages.lock import read_lock
from builder.show import table
from builder.workplace import Workplace


@dataclass(frozen=True, slots=True, kw_only=True)
class Newer:
    """A package that moves, or would."""

    kind: str
    """`deb`, `wheel`, or `toolbox` for what live verification brings along."""
    name: str
    locked: str
    """Empty for one that would come in."""
    newest: str
    """Empty for one that would go."""
    security: bool
    """A version newer than the locked one stands in the archive of security updates, whichever suite the
    package is taken from. Of wheels nobody says so."""
    gone: bool
    """No mirror serves the locked one any more."""
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How an image's lock stands to the archive and the index."""

    image: str
    path: Path
    date: int
    """Of the lock, in seconds since the epoch."""
    newer: tuple[Newer, ...]
    wheels_left: bool = False
    """They were left out: only security updates were asked for."""


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
    fresh = fresh_lock(place, plan, locked, Moving.ALL)
    newer = tuple(moves(locked, fresh.lock, fresh.fixed, fresh.gone))
    return Freshness(image=plan.image, path=path, date=locked.date, newer=newer)


def relocked(place: Workplace, plan: Plan, moving: Moving) -> "Locking":
    """Makes the lock anew, and says what that moved."""
    done = relock(place, plan, moving)
    moved = moves(done.previous, done.lock, done.fresh.fixed, done.fresh.gone) if done.previous else ()
    return Locking(
        image=plan.image,
        done=done,
        moved=tuple(moved),
        wheels_left=moving is Moving.SECURITY and has_wheels(done.lock),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Locking:
    """What `temper lock` did for an image."""

    image: str
    done: Relocked
    moved: tuple[Newer, ...]
    wheels_left: bool

    @property
    def behind(self) -> frozenset[str]:
        """Names of packages that stay though there is a newer version."""
        names = frozenset(name for group in self.done.fresh.behind.values() for name in group)
        return names - {row.name for row in self.moved if row.kind != "wheel"}

    @property
    def unfixed(self) -> frozenset[str]:
        """Those of them that have a security update."""
        return self.behind & {name for group in self.done.fresh.fixed.values() for name in group}


def has_wheels(lock: Lock) -> bool:
    return any(section.wheels for section in lock.platforms.values())


Rows = dict[tuple[str, str, str, str, bool, bool], list[str]]
Names = Mapping[str, frozenset[str]]


def moves(locked: Lock, newest: Lock, fixed: Names, gone: Names) -> Iterator[Newer]:
    """By kind and name; platforms that move alike share a row. `fixed` and `gone` are names, by platform."""
    rows: Rows = {}
    for platform in sorted({*locked.platforms, *newest.platforms}):
        before, after = _contents(locked, platform), _contents(newest, platform)
        for kind, name in sorted({*before, *after}):
            old, new = before.get((kind, name)), after.get((kind, name))
            if (old and old.sha256) != (new and new.sha256):
                deb = old is not None and kind != "wheel"
                secure = deb and new is not None and name in fixed.get(platform, ())
                left = deb and name in gone.get(platform, ())
                versions = (old.version if old else "", new.version if new else "")
                rows.setdefault((kind, name, *versions, secure, left), []).append(platform)
    for (kind, name, before_, after_, secure, left), platforms in rows.items():
        yield Newer(
            kind=kind,
            name=name,
            locked=before_,
            newest=after_,
            security=secure,
            gone=left,
            platforms=tuple(platforms),
        )


def _contents(lock: Lock, platform: str) -> Mapping[tuple[str, str], LockedPackage | LockedWheel]:
    section = lock.platforms.get(platform)
    if section is None:
        return {}
    return {
        **{("deb", one.name): one for one in section.packages},
        **{("toolbox", one.name): one for one in section.toolbox},
        **{("wheel", one.name): one for one in section.wheels},
    }


def only_security(found: Freshness) -> Freshness:
    return replace(
        found,
        newer=tuple(one for one in found.newer if one.security),
        wheels_left=has_wheels(read_lock(found.path)),
    )


def as_data(found: Sequence[Freshness]) -> list[dict[str, Any]]:
    return [
        {
            "image": one.image,
            "lock": shown(one.path),
            "date": _day(one.date),
            "newer": rows_data(one.newer),
        }
        for one in found
    ]


def locking_data(found: Sequence[Locking]) -> list[dict[str, Any]]:
    return [
        {
            "image": one.image,
            "lock": shown(one.done.path),
            "new": one.done.previous is None,
            "written": one.done.written,
            "moved": rows_data(one.moved),
            "behind": sorted(one.behind),
            "unfixed": sorted(one.unfixed),
        }
        for one in found
    ]


def rows_data(rows: Sequence[Newer]) -> list[dict[str, Any]]:
    return [
        {
            "kind": row.kind,
            "name": row.name,
            "locked": row.locked or None,
            "newest": row.newest or None,
            "security": row.security,
            "gone": row.gone,
            "platforms": list(row.platforms),
        }
        for row in rows
    ]


def as_text(found: Sequence[Freshness]) -> str:
    return "\n\n".join(map(_text, found))


WHEELS_LEFT = "  wheels are left as they are: nobody says which of their versions are security updates"


def _text(one: Freshness) -> str:
    head = f"{one.image}: locked on {_day(one.date)}, {shown(one.path)}"
    left = [WHEELS_LEFT] if one.wheels_left else []
    if not one.newer:
        return "\n".join([head, "  nothing newer", *left])
    option = " --security-only" if one.wheels_left else ""
    run = f"  run `temper lock {one.image} --upgrade{option}` to move to them"
    return "\n".join([head, rows_text(one.newer), *left, run])


def rows_text(rows: Sequence[Newer]) -> str:
    """Which platforms is said where it is not all the same for all."""
    everywhere = {platform for row in rows for platform in row.platforms}
    return table([(*_words(row), _remark(row, everywhere)) for row in rows])


def _words(row: Newer) -> tuple[str, ...]:
    return row.kind, row.name, row.locked or "-", "->", row.newest or "-"


def _remark(row: Newer, everywhere: set[str]) -> str:
    said = ["security"] if row.security else []
    said += ["gone from the mirror"] if row.gone else []
    said += ["same version, other content"] if row.locked == row.newest else []
    said += row.platforms if everywhere.difference(row.platforms) else []
    return ", ".join(said)


def locking_text(found: Sequence[Locking]) -> str:
    return "\n".join(map(_locking_text, found))


def _locking_text(one: Locking) -> str:
    path = shown(one.done.path)
    if one.done.previous is None:
        sections = sorted(one.done.lock.platforms.items())
        return "\n".join(
            f"{path}: {platform}: {len(section.packages)} packages, {len(section.wheels)} wheels"
            for platform, section in sections
        )
    said = [f"{path}: nothing moved"]
    if one.done.written:
        said = [f"{path}: written anew, and no package moved"]
    if one.moved:
        said = [f"{path}: {len(one.moved)} moved", rows_text(one.moved)]
    return "\n".join([*said, *([WHEELS_LEFT] if one.wheels_left else []), *_behind(one)])


def _behind(one: Locking) -> Iterator[str]:
    if one.behind:
        yield (
            f"  newer packages: {len(one.behind)}, security updates among them: {len(one.unfixed)}; "
            f"see `temper outdated {one.image}`"
        )


def _day(date: int) -> str:
    return datetime.fromtimestamp(date, tz=UTC).date().isoformat()
