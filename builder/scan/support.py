"""Packages that the distribution supports less long, or less widely, than itself: its own signed lists.

Source: check-support-status(1) of debian-security-support 13, whose patterns match a whole source name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder.model.scan import Support, SupportLevel
from builder.scan.installed import Installed

PACKAGE = "debian-security-support"
FOLDER = f"usr/share/{PACKAGE}"
_SUPPORTED, _LIMITED, _ENDED = "supported", "limited", "non-supported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A line of a list."""

    pattern: str
    """Of source packages, a regular expression for the whole name."""
    mode: str
    date: str = ""
    """When support ended or will end, where it does."""
    note: str = ""


def file_names(release: str) -> tuple[str, ...]:
    """The lists of a release (`13`): one file since Debian 13, two before."""
    return (
        f"{FOLDER}/security-support.deb{release}",
        f"{FOLDER}/security-support-ended.deb{release}",
        f"{FOLDER}/security-support-limited",
    )


def parse_lists(texts: Mapping[str, str], release: str) -> tuple[Listed, ...]:
    """`texts` by the names above, as many as there are. In the order in which a name is looked up."""
    both, ended, limited = (texts.get(name, "").splitlines() for name in file_names(release))
    return (
        *(one for line in both if (one := _line(line)) is not None),
        *(one for line in ended if (one := _line(line, _ENDED)) is not None),
        *(one for line in limited if (one := _line(line, _LIMITED)) is not None),
    )


def _line(line: str, mode: str = "") -> Listed | None:
    words = line.split()
    if not words or words[0].startswith("#"):
        return None
    pattern, *rest = words
    if not mode:
        mode, *rest = rest or [""]
    if mode == _ENDED:
        if len(rest) < 2:
            return None
        return Listed(pattern=pattern, mode=mode, date=rest[1], note=" ".join(rest[2:]))
    return Listed(pattern=pattern, mode=mode, note=" ".join(rest))


def as_data(lists: Iterable[Listed]) -> list[list[str]]:
    return [[one.pattern, one.mode, one.date, one.note] for one in lists]


def of_data(rows: Iterable[Any]) -> tuple[Listed, ...]:
    return tuple(Listed(pattern=row[0], mode=row[1], date=row[2], note=row[3]) for row in rows)


def supports(packages: Iterable[Installed], lists: Iterable[Listed], today: str) -> Iterator[Support]:
    """By package. The first line that fits a source decides, as it does there."""
    rows = [(pattern, one) for one in lists if (pattern := _compiled(one.pattern)) is not None]
    decided: dict[str, Listed | None] = {}
    for package in packages:
        if package.source not in decided:
            fitting = (one for pattern, one in rows if pattern.fullmatch(package.source))
            decided[package.source] = next(fitting, None)
        listed = decided[package.source]
        if listed is not None and listed.mode in (_LIMITED, _ENDED):
            yield _support(package, listed, today)


def _support(package: Installed, listed: Listed, today: str) -> Support:
    level = SupportLevel.LIMITED
    if listed.mode == _ENDED:
        level = SupportLevel.ENDED if listed.date <= today else SupportLevel.ENDING
    return Support(
        package=package.name,
        version=package.version,
        source=package.source,
        level=level,
        date=listed.date,
        note=listed.note,
    )


def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except re.error:
        return None
