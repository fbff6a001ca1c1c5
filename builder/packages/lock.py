"""`image.lock.json`: made from signed indexes, read back, compared."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from builder.errors import LockError
from builder.model.lock import Lock, LockedPackage, LockedPlatform, LockedWheel
from builder.model.plan import PackageRequest, Plan
from builder.packages.bases import ARCHITECTURES, find_base
from builder.packages.download import Download
from builder.packages.held import load_held
from builder.packages.index import Universe, load_universes
from builder.packages.mirrors import find_mirror
from builder.packages.release import Release, fetch_release
from builder.packages.resolve import Resolution, resolve
from builder.packages.store import Store
from builder.progress import Progress
from builder.rootfs.sonames import packages_of

BASE_PACKAGES = ("base-files",)
"""Every image has them: os-release tells scanners and people what it is made of."""

TOOLBOX = PackageRequest(name="busybox-static", asked_by="toolbox")
"""What live verification brings along. Static: it may not depend on what stands in an image."""

Wheels = Callable[[str], tuple[LockedWheel, ...]]
"""Resolves the image's Python requirements for a platform (`linux/amd64`)."""


def make_lock(  # noqa: PLR0913 - all but two by name
    plan: Plan,
    store: Store,
    *,
    wheels: Wheels,
    now: int,
    previous: Lock | None,
    progress: Progress,
    libraries: Mapping[str, str] = MappingProxyType({}),
) -> Lock:
    """Resolves a plan against today's archive. `now` is in seconds since the epoch, for the indexes' dates.

    `libraries` are sonames that nothing asked for brings, and who needs each: the packages that have them
    come along, where the archive's naming rule finds them.
    Raises `TrustError`, `NetworkError`, `ResolveError` or what `wheels` raises.
    """
    base = find_base(plan.spec.base)
    progress.stage("checking package indexes")
    releases = tuple(
        fetch_release(store, suite, now=now, not_before=_locked_date(previous, suite.archive, suite.name))
        for suite in base.suites
    )
    resolutions = _resolve(plan, libraries, store, releases, progress)
    if plan.spec.python is not None and plan.spec.python.requirements:
        progress.stage("resolving Python requirements")
    return Lock(
        inputs=inputs_digest(plan),
        base=base.name,
        date=max(release.date for release in releases),
        indexes=tuple(release.locked() for release in releases),
        platforms={
            platform: LockedPlatform(
                packages=image.packages,
                held_back=image.held_back,
                wheels=wheels(platform),
                toolbox=tuple(one for one in toolbox.packages if one.name == TOOLBOX.name),
            )
            for platform, (image, toolbox) in resolutions.items()
        },
    )


def _resolve(
    plan: Plan,
    libraries: Mapping[str, str],
    store: Store,
    releases: tuple[Release, ...],
    progress: Progress,
) -> dict[str, tuple[Resolution, Resolution]]:
    """What goes into the image, and what the toolbox needs, by platform."""
    requests = (
        *plan.packages,
        *(PackageRequest(name=name, asked_by="base") for name in BASE_PACKAGES),
    )
    architectures = {ARCHITECTURES[platform]: platform for platform in sorted(plan.spec.platforms)}
    base = find_base(plan.spec.base)
    universes: Iterator[Universe] = load_universes(store, base, releases, architectures, progress)
    return {  # no universe has a name here: two at once would double the memory
        platform: _resolve_both(next(universes), requests, libraries, progress)
        for platform in architectures.values()
    }


def _resolve_both(
    universe: Universe,
    requests: tuple[PackageRequest, ...],
    libraries: Mapping[str, str],
    progress: Progress,
) -> tuple[Resolution, Resolution]:
    progress.stage(f"resolving packages of {universe.label}")
    bringing = _bringing(universe, libraries)
    return resolve(universe, (*requests, *bringing), load_held()), resolve(universe, (TOOLBOX,), load_held())


def _bringing(universe: Universe, libraries: Mapping[str, str]) -> Iterator[PackageRequest]:
    """A package for each library; none where no guess is in the archive: the build's audit names those."""
    for soname, needed_by in sorted(libraries.items()):
        found = next((name for name in packages_of(soname) if universe.named(name)), None)
        if found is not None:
            yield PackageRequest(name=found, asked_by=f"{soname} of {needed_by}")


def _locked_date(lock: Lock | None, archive: str, suite: str) -> int:
    indexes = () if lock is None else lock.indexes
    return max((one.date for one in indexes if (one.archive, one.suite) == (archive, suite)), default=0)


def inputs_digest(plan: Plan) -> str:
    """`sha256:...` over what the lock depends on."""
    text = json.dumps(plan.lock_inputs(), sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def lock_text(lock: Lock) -> str:
    data = lock.model_dump(mode="json", by_alias=True)
    data = {**data, "checksum": _checksum(data)}
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _checksum(data: Mapping[str, Any]) -> str:
    """Over all else that the lock says: a changed date or version would build another image, unnoticed."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def read_lock(path: Path) -> Lock:
    """Raises `LockError` where the file is missing, damaged, or of another version of Temper."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise LockError(f"{path}: no such lock; run `temper lock` to make it") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise LockError(f"{path}: can't be read: {reason}") from None
    except UnicodeDecodeError as error:
        raise LockError(f"{path}: is damaged: not UTF-8 at byte {error.start}; {_MEND}") from None
    except json.JSONDecodeError as error:
        said = error.msg[:1].lower() + error.msg[1:]
        raise LockError(f"{path}:{error.lineno}: is damaged: {said}; {_MEND}") from None
    return _validated(path, data)


_MEND = "restore it from version control, or delete it and run `temper lock`"


def _validated(path: Path, data: Any) -> Lock:
    version = data.get("schema-version") if isinstance(data, dict) else None
    if isinstance(version, int) and version != 1:
        raise LockError(
            f"{path}: schema-version: {version} was written by another version of Temper; "
            "use that one, or run `temper lock`"
        )
    checksum = data.pop("checksum", None) if isinstance(data, dict) else None
    try:
        lock = Lock.model_validate(data)
    except ValidationError as error:
        problems = (
            f"{path}: {'.'.join(map(str, one['loc'])) or 'lock'}: is damaged: {_plain(one)}; {_MEND}"
            for one in error.errors()
        )
        raise LockError(problems) from None
    if checksum != _checksum(data):
        raise LockError(f"{path}: is damaged, or was edited: its checksum doesn't match; {_MEND}")
    return lock


def _plain(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "unknown key"
        case _:
            message = str(error["msg"])
            return f"{message[:1].lower()}{message[1:]}, not {error['input']!r}"


def differences(old: Lock, new: Lock) -> tuple[str, ...]:
    """What moved: `libc6 2.41-11 -> 2.41-12`; followed by the platform where not all of them moved so."""
    platforms = sorted({*old.platforms, *new.platforms})
    moved: dict[str, list[str]] = {}
    for platform in platforms:
        for line in _moved(_contents(old, platform), _contents(new, platform)):
            moved.setdefault(line, []).append(platform)
    return tuple(
        line if len(where) == len(platforms) else f"{line} ({', '.join(where)})"
        for line, where in sorted(moved.items())
    )


def _contents(lock: Lock, platform: str) -> dict[tuple[str, str], tuple[str, str]]:
    """(kind, name) -> (version, sha256)."""
    section = lock.platforms.get(platform)
    if section is None:
        return {}
    return {
        **{("deb", one.name): (one.version, one.sha256) for one in section.packages},
        **{("wheel", one.name): (one.version, one.sha256) for one in section.wheels},
    }


def _moved(
    old: Mapping[tuple[str, str], tuple[str, str]], new: Mapping[tuple[str, str], tuple[str, str]]
) -> Iterator[str]:
    for key in sorted({*old, *new}):
        name = key[1]
        before, after = old.get(key), new.get(key)
        if before is None and after is not None:
            yield f"{name} {after[0]} added"
        elif after is None and before is not None:
            yield f"{name} {before[0]} removed"
        elif before is not None and after is not None and before[0] != after[0]:
            yield f"{name} {before[0]} -> {after[0]}"
        elif before != after:
            yield f"{name} {before[0] if before else ''} rebuilt: same version, other content"


def package_url(mirror: str, locked: LockedPackage) -> str:
    """Where a mirror (base URL without trailing slash) serves a package."""
    return f"{mirror}/{quote(locked.path, safe='/+~:=@,')}"


def package_downloads(packages: Iterable[LockedPackage]) -> tuple[Download, ...]:
    """Raises `InputError` where no mirror is configured for an archive."""
    wanted = tuple(packages)
    mirrors = {archive: find_mirror(archive) for archive in sorted({one.archive for one in wanted})}
    return tuple(
        Download(
            url=package_url(mirrors[one.archive], one),
            sha256=one.sha256,
            size=one.size,
            name=one.path.rpartition("/")[2],
        )
        for one in wanted
    )
