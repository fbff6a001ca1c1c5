"""Relations between Debian packages (Debian Policy, chapter 7), and the order of versions (5.6.12)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from builder.errors import ArchiveError

_RELATION = re.compile(
    r"""\s*(?P<name>[a-zA-Z0-9][a-zA-Z0-9+.-]*)
    (?::(?P<qualifier>[a-z0-9-]+))?\s*
    (?:\(\s*(?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>[^\s)]+)\s*\))?\s*
    (?:\[(?P<architectures>[^\]]*)\])?\s*
    (?P<profiles>(?:<[^>]*>\s*)*)$""",
    re.VERBOSE,
)
_OLD_SPELLING = {"<": "<=", ">": ">="}
"""What Policy 7.1 says the deprecated single signs mean."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One alternative: `libc6:any (>= 2.38)`."""

    name: str
    operator: str = ""
    """`<<`, `<=`, `=`, `>=`, `>>`, or empty where any version will do."""
    version: str = ""
    qualifier: str = ""
    """`any`, `native` or an architecture; empty as a rule."""

    def __str__(self) -> str:
        name = f"{self.name}:{self.qualifier}" if self.qualifier else self.name
        return f"{name} ({self.operator} {self.version})" if self.operator else name


Part = tuple[tuple[int, ...], int]
_END: Part = ((0,), 0)

Clause = tuple[Relation, ...]
"""Alternatives, the preferred one first."""


def clause_text(clause: Clause) -> str:
    return " | ".join(map(str, clause))


def parse_relations(text: str, architecture: str) -> tuple[Clause, ...]:
    """Parses a Depends-like field. Alternatives meant for other architectures or build profiles fall away.

    Raises `ArchiveError` where the field is malformed.
    """
    clauses = (
        tuple(
            relation
            for part in clause.split("|")
            if (relation := _parse_relation(part, text, architecture)) is not None
        )
        for clause in text.split(",")
        if clause.strip()
    )
    return tuple(clause for clause in clauses if clause)


def _parse_relation(part: str, text: str, architecture: str) -> Relation | None:
    match = _RELATION.match(part)
    if match is None:
        raise ArchiveError(f"malformed relation '{part.strip()}' in '{text.strip()}'")
    if not _for_architecture(match["architectures"], architecture) or not _for_profile(match["profiles"]):
        return None
    qualifier = match["qualifier"] or ""
    if qualifier not in ("", "any", "native", architecture):
        return None
    operator = match["operator"] or ""
    return Relation(match["name"], _OLD_SPELLING.get(operator, operator), match["version"] or "", qualifier)


def _for_architecture(restriction: str | None, architecture: str) -> bool:
    """`[amd64 arm64]` names where it holds, `[!i386]` where it does not."""
    names = (restriction or "").split()
    if not names:
        return True
    if names[0].startswith("!"):
        return not any(_names(name[1:], architecture) for name in names)
    return any(_names(name, architecture) for name in names)


def _names(pattern: str, architecture: str) -> bool:
    return pattern in (architecture, "any", "linux-any", f"any-{architecture}", f"linux-{architecture}")


def _for_profile(restriction: str) -> bool:
    """`<!nocheck> <stage1>` holds where all terms of one list do; no build profile is ever active here."""
    lists = re.findall(r"<([^>]*)>", restriction)
    return not lists or any(all(term.startswith("!") for term in terms.split()) for terms in lists)


VersionKey = tuple[int, tuple[Part, ...], tuple[Part, ...]]
_VERSION = re.compile(
    r"(?:(?P<epoch>[0-9]+):)?(?P<upstream>[A-Za-z0-9][A-Za-z0-9.+~:-]*?)(?:-(?P<revision>[A-Za-z0-9.+~]+))?"
)


@lru_cache(maxsize=65536)
def version_key(version: str) -> VersionKey:
    """Sorts as dpkg does (Policy 5.6.12). Raises `ArchiveError` for what is no version.

    Of our own, because debian-inspector 31.1 refuses versions such as `13.3~`, which the archive has.
    """
    match = _VERSION.fullmatch(version)
    if match is None or (match["epoch"] is None and ":" in version):
        raise ArchiveError(f"malformed version '{version}'")
    return int(match["epoch"] or 0), _part_key(match["upstream"]), _part_key(match["revision"] or "")


def _part_key(text: str) -> tuple[Part, ...]:
    """Text and numbers in turn. A missing number counts as 0, the end of text sorts after `~` only."""
    parts = [
        ((*(_order(char) for char in letters), 0), int(digits or 0))
        for letters, digits in re.findall(r"([^0-9]*)([0-9]*)", text)
    ]
    while parts and parts[-1] == _END:
        parts.pop()
    return (*parts, _END)


def _order(char: str) -> int:
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256


def meets(version: str, relation: Relation) -> bool:
    """Whether a package of this version satisfies the version part of a relation."""
    if not relation.operator:
        return True
    have, want = version_key(version), version_key(relation.version)
    match relation.operator:
        case "<<":
            return have < want
        case "<=":
            return have <= want
        case "=":
            return have == want
        case ">=":
            return have >= want
        case _:
            return have > want


def source_package(fields: Mapping[str, str]) -> tuple[str, str]:
    """`Source: gcc-14 (14.2.0-19)`; without one, or without a version, the package's own (Policy 5.6.1)."""
    name, _, version = fields.get("Source", "").partition(" ")
    return name or fields["Package"], version.strip("() ") or fields["Version"]
