"""InRelease: the signed root of an archive's hash chain (Debian repository format, `Release` files)."""

import datetime
import email.utils
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.errors import GoneError, NetworkError, TrustError
from builder.model.lock import LockedIndex
from builder.packages.bases import KEYS, Suite
from builder.packages.download import get
from builder.packages.mirrors import find_keyring, find_mirror
from builder.packages.signature import verify_inrelease
from builder.packages.store import Store

LIMIT = 8 << 20
"""Bytes; the largest InRelease of the distribution has 150 kB."""
CLOCK_SLACK = 3600
"""Seconds that an index may come from the future before a clock must be wrong."""
_SEEN = "release-1"
"""Kind of the records that remember the newest date seen of each index."""
_KEPT = "release-kept-1"
"""Kind of the records that say which blob is the index that was fetched last, and when that was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A file of the index, as the signed text has it."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    suite: Suite
    codename: str
    name: str
    """Its `Suite` field: `stable`, `oldstable-security`."""
    date: int
    """Seconds since the epoch."""
    valid_until: int | None
    by_hash: bool
    files: Mapping[str, Listed]
    """By path relative to the InRelease's folder."""
    sha256: str
    """Of the InRelease file."""
    signed_by: tuple[str, ...]

    def locked(self) -> LockedIndex:
        return LockedIndex(
            archive=self.suite.archive,
            suite=self.suite.name,
            date=self.date,
            valid_until=self.valid_until,
            sha256=self.sha256,
            signed_by=self.signed_by,
        )


def fetch_release(store: Store, suite: Suite, *, now: int, not_before: int = 0) -> Release:
    """Fetches and checks an index: signature, name, dates, and that it is no older than what was seen before.

    `now` and `not_before` (the date of this index in the existing lock) are seconds since the epoch. Raises
    `TrustError`, `NetworkError`, or `InputError` where no mirror is configured.
    """
    data = _fetch(suite)
    release = signed_release(data, suite)
    _check_dates(release, now)
    _check_replay(release, not_before, "the lock was made from")
    with store.lock(f"release-{_key(suite)}"):
        seen = _seen(store, suite)
        _check_replay(release, seen, "this machine has already seen")
        if release.date > seen:
            store.write_record(_SEEN, _key(suite), json.dumps({"date": release.date}).encode())
        store.put(data)  # a mirror has only the newest, and a bundle takes the one that a lock was made from
        keep_release(store, release, now)
    return release


def signed_release(data: bytes, suite: Suite) -> Release:
    """An index whose signature is good and that is of this suite, of whatever date. Raises `TrustError`."""
    text, signers = verify_inrelease(data, keyring_of(suite), name=suite.label)
    release = parse_release(text, suite, sha256=hashlib.sha256(data).hexdigest(), signed_by=signers)
    _check_name(release)
    return release


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The index that this machine fetched last, verified again."""

    release: Release
    fetched: int
    """Seconds since the epoch."""


def keep_release(store: Store, release: Release, fetched: int) -> None:
    """Of a verified index whose file lies in the store."""
    kept = {"sha256": release.sha256, "fetched": fetched}
    store.write_record(_KEPT, _key(release.suite), json.dumps(kept).encode())


def kept_release(store: Store, suite: Suite) -> Kept | None:
    """`None` where none is there any more. Whether it is too old is the caller's to say: a build from a lock
    asks otherwise than a scan. Raises `TrustError` where the keys that are trusted now don't vouch for it.
    """
    record = store.record(_KEPT, _key(suite))
    said = {} if record is None else json.loads(record)
    if not said or not store.has(said["sha256"]):
        return None
    data = store.blob(said["sha256"]).read_bytes()
    return Kept(release=signed_release(data, suite), fetched=said["fetched"])


def _fetch(suite: Suite) -> bytes:
    try:
        return get(f"{find_mirror(suite.archive)}/dists/{suite.name}/InRelease", limit=LIMIT)
    except NetworkError as error:  # an index that is missing is no package that left the mirror: no GoneError
        hint = "; check the mirror's URL" if isinstance(error, GoneError) else ""
        raise NetworkError(f"{suite.label}: {str(error).removeprefix('InRelease: ')}{hint}") from None


def keyring_of(suite: Suite) -> tuple[Path, ...]:
    own = find_keyring(suite.archive)
    return tuple(KEYS / name for name in suite.keys) if own is None else (own,)


def _key(suite: Suite) -> str:
    return f"{suite.archive}.{suite.name}"


def _seen(store: Store, suite: Suite) -> int:
    record = store.record(_SEEN, _key(suite))
    return 0 if record is None else int(json.loads(record)["date"])


def parse_release(text: str, suite: Suite, *, sha256: str, signed_by: tuple[str, ...]) -> Release:
    """Reads verified text. Raises `TrustError` where what the hash chain needs is missing or malformed."""
    fields, sections = _fields(text)
    if "SHA256" not in sections:
        raise TrustError(f"{suite.label}: lists no SHA256 hashes; use a mirror with a current index format")
    return Release(
        suite=suite,
        codename=fields.get("Codename", ""),
        name=fields.get("Suite", ""),
        date=_date(fields, "Date", suite),
        valid_until=_date(fields, "Valid-Until", suite) if "Valid-Until" in fields else None,
        by_hash=fields.get("Acquire-By-Hash", "") == "yes",
        files=_files(sections["SHA256"], suite),
        sha256=sha256,
        signed_by=signed_by,
    )


def _fields(text: str) -> tuple[dict[str, str], dict[str, list[str]]]:
    """One-line fields, and the lines of the fields that go on below."""
    fields: dict[str, str] = {}
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.split("\n"):
        if line.startswith(" "):
            lines.append(line)
            continue
        key, colon, value = line.partition(":")
        if colon:
            fields[key] = value.strip()
            lines = sections.setdefault(key, [])
    return fields, sections


_FILE = re.compile(r" ([0-9a-f]{64}) +([0-9]+) (\S+)")


def _files(lines: list[str], suite: Suite) -> dict[str, Listed]:
    files = {}
    for line in lines:
        match = _FILE.fullmatch(line)
        if match is None:
            raise TrustError(f"{suite.label}: malformed line '{line.strip()}'; use another mirror")
        files[match[3]] = Listed(sha256=match[1], size=int(match[2]))
    return files


def _date(fields: Mapping[str, str], field: str, suite: Suite) -> int:
    try:
        return int(email.utils.parsedate_to_datetime(fields[field]).timestamp())
    except (KeyError, ValueError):
        said = fields.get(field, "")
        raise TrustError(f"{suite.label}: {field}: '{said}' is not a date; use another mirror") from None


def _check_name(release: Release) -> None:
    """A signed index of another suite is genuine and yet not what was asked for."""
    suite = release.suite
    if suite.name not in (release.codename, release.name):
        raise TrustError(
            f"{suite.label}: is the index of '{release.codename or release.name}', not of '{suite.name}'; "
            "use another mirror"
        )


def _check_dates(release: Release, now: int) -> None:
    label = release.suite.label
    if release.date > now + CLOCK_SLACK:
        raise TrustError(
            f"{label}: is dated {_text(release.date)}, which is in the future; set this machine's clock"
        )
    if release.valid_until is not None and release.valid_until < now:
        raise TrustError(
            f"{label}: was valid until {_text(release.valid_until)} and is stale; "
            "use a mirror that is up to date, or set this machine's clock if it is wrong"
        )


def _check_replay(release: Release, newest: int, who: str) -> None:
    if release.date < newest:
        raise TrustError(
            f"{release.suite.label}: is dated {_text(release.date)}, but {who} one of {_text(newest)}: "
            "an old index is being replayed; use a mirror that is up to date, "
            "or start from no lock and an empty store if going back is meant"
        )


def _text(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
