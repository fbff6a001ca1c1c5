"""A Debian changelog: which vulnerabilities an update says it mends, and since when. Pure.

Source: Debian Policy 4.4 and deb-changelog(5) of dpkg 1.22.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import takewhile

from builder.errors import ArchiveError
from builder.packages.relations import version_key

NEWEST = 400
"""Entries that are read; a changelog of a stable release that needs more has been trimmed before."""
LONGEST_TITLE = 160
DEVELOPMENT = ("unstable", "experimental", "sid", "UNRELEASED")
"""What a stable release takes over from them carries their entries along."""
_HEAD = re.compile(r"(?P<package>\S+) \((?P<version>[^\s()]+)\)(?P<suites>[^;]*);\s*(?P<fields>.*)")
_URGENCY = re.compile(r"urgency=([A-Za-z]+)")
_TRAILER = re.compile(r" -- .*?  (?P<date>.+)")
_BULLET = re.compile(r"\s+[*+-]\s")
_ID = re.compile(r"CVE-[0-9]{4}-[0-9]{4,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A vulnerability that an entry names."""

    id: str
    title: str
    """What the entry says of it, on one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One entry."""

    version: str
    """Of the source package."""
    suites: str
    """Where it was uploaded to: `trixie-security`, `unstable`."""
    urgency: str
    date: str
    """`2026-11-20`; empty where it can't be read."""
    fixes: tuple[Fix, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What happened since a version."""

    releases: tuple[Release, ...]
    """Newest first."""
    reaches: bool
    """The changelog goes back to that version: nothing since is missing."""


def parse_changelog(text: str) -> tuple[Release, ...]:
    """Newest first. What is no entry is passed over: of an odd changelog a part is better than nothing."""
    return tuple(entry for _, entry in zip(range(NEWEST), _entries(text.splitlines()), strict=False))


def since(changelog: Sequence[Release], version: str) -> Changes:
    """The entries above that of a source package's version; without one, above the first that isn't newer.

    Versions alone don't tell: below `3.5.4-1~deb13u1` stands `3.5.4-1`, which that one was made from.
    """
    known = [one.version for one in changelog]
    if version in known:
        return Changes(releases=tuple(changelog[: known.index(version)]), reaches=True)
    newer = tuple(takewhile(lambda one: _is_newer(one.version, version), changelog))
    return Changes(releases=newer, reaches=len(newer) < len(changelog))


def out_since(changes: Changes, release: Release) -> str:
    """The day since which a released distribution has what an entry mends: that entry's own, or where it went
    to a suite under development only, the next one's that went to a released one.
    """
    until = changes.releases[: changes.releases.index(release) + 1]
    out = [one for one in until if one.suites not in DEVELOPMENT] or [*until[:1]]
    return out[-1].date


def _is_newer(version: str, than: str) -> bool:
    try:
        return version_key(version) > version_key(than)
    except ArchiveError:
        return True


def _entries(lines: Iterable[str]) -> Iterator[Release]:
    head: re.Match[str] | None = None
    body: list[str] = []
    for line in lines:
        if (match := _HEAD.fullmatch(line.rstrip())) is not None:
            head, body = match, []
        elif (end := _TRAILER.fullmatch(line.rstrip())) is not None and head is not None:
            yield _release(head, body, end["date"])
            head = None
        else:
            body.append(line)


def _release(head: re.Match[str], body: list[str], date: str) -> Release:
    urgency = _URGENCY.search(head["fields"])
    return Release(
        version=head["version"],
        suites=head["suites"].strip(),
        urgency=urgency[1].lower() if urgency else "",
        date=_day(date),
        fixes=tuple(_fixes(body)),
    )


def _day(text: str) -> str:
    try:
        return parsedate_to_datetime(text.strip()).date().isoformat()
    except ValueError:
        return ""


def _fixes(body: Iterable[str]) -> Iterator[Fix]:
    """Each once, with the text of the first point that names it."""
    seen = set()
    for point in _points(body):
        for found in _ID.findall(point):
            if found not in seen:
                seen.add(found)
                yield Fix(id=found, title=_title(point))


def _points(body: Iterable[str]) -> Iterator[str]:
    """The lines of each bullet as one; an empty line ends one too."""
    parts: list[str] = []
    for line in body:
        if _BULLET.match(line) or not line.strip():
            yield " ".join(parts)
            parts = []
        parts.append(line.strip())
    yield " ".join(parts)


def _title(point: str) -> str:
    text = "".join(sign for sign in point.lstrip("*+- ") if sign.isprintable())
    return text if len(text) <= LONGEST_TITLE else f"{text[:LONGEST_TITLE].rstrip()}..."
