"""`image.lock.json` as a file: written, read back and checked, compared. `locking` makes it."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from builder.errors import LockError
from builder.model.lock import Lock, LockedPackage
from builder.model.plan import Plan
from builder.packages.download import Download
from builder.packages.mirrors import find_mirror


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


def package_url(mirror: str, path: str) -> str:
    """Where a mirror (base URL without trailing slash) serves a package; `path` as the lock has it."""
    return f"{mirror}/{quote(path, safe='/+~:=@,')}"


def package_downloads(packages: Iterable[LockedPackage]) -> tuple[Download, ...]:
    """Raises `InputError` where no mirror is configured for an archive."""
    wanted = tuple(packages)
    mirrors = {archive: find_mirror(archive) for archive in sorted({one.archive for one in wanted})}
    return tuple(
        Download(
            url=package_url(mirrors[one.archive], one.path),
            sha256=one.sha256,
            size=one.size,
            name=one.path.rpartition("/")[2],
        )
        for one in wanted
    )
