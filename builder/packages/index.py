"""Packages: every package of a suite, found by name without parsing the 50 MB that nobody asks for."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from builder.errors import ArchiveError
from builder.model.lock import LockedPackage
from builder.packages.relations import Clause, Relation, parse_relations, source_package, version_key

_PRIORITIES = {"required": 0, "important": 1, "standard": 2, "optional": 3, "extra": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A package that could be installed: one stanza of an index."""

    name: str
    version: str
    architecture: str
    archive: str
    path: str
    size: int
    sha256: str
    priority: int = 3
    """Rank of the field Priority, 0 is `required`: decides between providers of a virtual package."""
    depends: tuple[Clause, ...] = ()
    """Pre-Depends and Depends: for files that are only unpacked they are the same."""
    conflicts: tuple[Relation, ...] = ()
    """Conflicts and Breaks, likewise."""
    provides: tuple[Relation, ...] = ()
    """Virtual names; an operator `=` where the Provides is versioned."""
    source: str = ""
    """The source package that it was built from, often of another name."""
    source_version: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Index:
    """One Packages file. Names and offsets are found once; a stanza is parsed when it is asked for."""

    def __init__(self, text: bytes, archive: str, architecture: str) -> None:
        self._text, self.archive, self.architecture = text, archive, architecture
        self._starts: dict[bytes, list[int]] = {}
        for start in _stanzas(text):
            line = text[start : text.find(b"\n", start)]
            if not line.startswith(b"Package: "):
                raise ArchiveError(f"Packages of '{archive}': a stanza does not begin with 'Package:'")
            self._starts.setdefault(line[9:], []).append(start)

    def names(self) -> Iterator[str]:
        return (name.decode() for name in self._starts)

    def named(self, name: str) -> list[Candidate]:
        return [self._candidate(start) for start in self._starts.get(name.encode(), ())]

    def built_from(self, source: str) -> list[Candidate]:
        """Every package of a source package, in the order of the index; by a search, no table is made."""
        starts = set(self._starts.get(source.encode(), ()))
        for end in (b"\n", b" ("):
            at, mark = -1, b"\nSource: " + source.encode() + end
            while (at := self._text.find(mark, at + 1)) >= 0:
                gap = self._text.rfind(b"\n\n", 0, at + 1)
                starts.add(gap + 2 if gap >= 0 else 0)
        found = (self._candidate(start) for start in sorted(starts))
        return [one for one in found if one.source == source]

    def providing(self, name: str) -> list[Candidate]:
        """Packages whose Provides hold a name, in the order of the index."""
        return [self._candidate(start) for start in self._givers.get(name.encode(), ())]

    @cached_property
    def _givers(self) -> dict[bytes, list[int]]:
        """Starts of the stanzas that provide a name: one pass, since a closure asks for every name in it."""
        starts = sorted(start for group in self._starts.values() for start in group)
        givers: dict[bytes, list[int]] = {}
        at, mark = -1, b"\nProvides: "
        while (at := self._text.find(mark, at + 1)) >= 0:
            start = starts[bisect_right(starts, at) - 1]
            line = self._text[at + len(mark) : self._text.find(b"\n", at + 1)]
            for given in line.split(b","):
                name = given.split(None, 1)[0].partition(b":")[0] if given.strip() else b""
                givers.setdefault(name, []).append(start)
        return givers

    def _candidate(self, start: int) -> Candidate:
        end = self._text.find(b"\n\n", start)
        fields = _fields(self._text[start : end if end >= 0 else len(self._text)].decode())
        try:
            return _candidate(fields, self.archive, self.architecture)
        except (KeyError, ValueError) as error:
            name = fields["Package"]
            raise ArchiveError(f"Packages of '{self.archive}': {name}: malformed stanza ({error})") from None
        except ArchiveError as error:
            raise ArchiveError(f"Packages of '{self.archive}': {fields['Package']}: {error}") from None


def _stanzas(text: bytes) -> Iterator[int]:
    start, end, find = 0, len(text), text.find
    while start < end:
        yield start
        gap = find(b"\n\n", start)
        if gap < 0:
            return
        start = gap + 2


def _fields(stanza: str) -> dict[str, str]:
    """Continuation lines are joined: Depends may be folded, the long Description never comes here."""
    fields: dict[str, str] = {}
    key = ""
    for line in stanza.split("\n"):
        if line.startswith((" ", "\t")):
            fields[key] = f"{fields.get(key, '')} {line.strip()}"
        else:
            key, _, value = line.partition(":")
            fields[key] = value.strip()
    return fields


_SHA256 = re.compile(r"[0-9a-f]{64}")


def _candidate(fields: Mapping[str, str], archive: str, architecture: str) -> Candidate:
    def relations(*keys: str) -> tuple[Clause, ...]:
        return tuple(
            clause for key in keys if key in fields for clause in parse_relations(fields[key], architecture)
        )

    version_key(fields["Version"])
    if not _SHA256.fullmatch(fields["SHA256"]):
        raise ValueError(f"SHA256: '{fields['SHA256']}'")
    path = fields["Filename"].removeprefix("./")
    source, source_version = source_package(fields)
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"Filename: '{path}'")
    return Candidate(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        archive=archive,
        path=path,
        size=int(fields["Size"]),
        sha256=fields["SHA256"],
        priority=_PRIORITIES.get(fields.get("Priority", ""), _PRIORITIES["optional"]),
        depends=relations("Pre-Depends", "Depends"),
        conflicts=tuple(relation for clause in relations("Conflicts", "Breaks") for relation in clause),
        provides=tuple(relation for clause in relations("Provides") for relation in clause),
        source=source,
        source_version=source_version,
    )


class Universe:
    """All packages of a base for one architecture, over its suites."""

    def __init__(
        self,
        label: str,
        indexes: Iterable[Index],
        kept: Mapping[str, Candidate] = MappingProxyType({}),
    ) -> None:
        self.label = label
        """How messages name it: `debian/trixie for amd64`."""
        self._indexes = tuple(indexes)
        self._kept = kept
        self._named: dict[str, tuple[Candidate, ...]] = {}
        self._providing: dict[str, tuple[Candidate, ...]] = {}

    def names(self) -> Iterator[str]:
        return (name for index in self._indexes for name in index.names())

    def keeping(self, kept: Mapping[str, Candidate]) -> "Universe":
        """The same, but of packages of these names it has this version alone."""
        return Universe(self.label, self._indexes, kept)

    def listed(self, locked: LockedPackage) -> Candidate | None:
        """A locked package as an index has it now; from another suite only where its own has it no longer."""
        same = [
            one
            for index in self._indexes
            for one in index.named(locked.name)
            if (one.version, one.sha256) == (locked.version, locked.sha256)
        ]
        home = (one for one in same if (one.archive, one.path) == (locked.archive, locked.path))
        return next(home, same[0] if same else None)

    def has_newer(self, name: str, version: str, archive: str = "") -> bool:
        """Whether a newer version stands in an archive, or in any. A fix often stands in two of them."""
        return any(
            version_key(one.version) > version_key(version)
            for index in self._indexes
            if archive in ("", index.archive)
            for one in index.named(name)
        )

    def named(self, name: str) -> tuple[Candidate, ...]:
        """Newest first; the same version of two suites counts once, from the suite that comes first."""
        if name in self._kept:
            return (self._kept[name],)
        if name not in self._named:
            versions: dict[str, Candidate] = {}
            for index in self._indexes:
                for candidate in index.named(name):
                    versions.setdefault(candidate.version, candidate)
            self._named[name] = _newest_first(versions.values())
        return self._named[name]

    def providing(self, name: str) -> tuple[Candidate, ...]:
        """Newest version of each package that provides a virtual name, by priority, then by package name."""
        if name not in self._providing:
            names = {one.name for index in self._indexes for one in index.providing(name)} | self._kept.keys()
            newest = (self.named(provider)[0] for provider in sorted(names))
            giving = (one for one in newest if any(given.name == name for given in one.provides))
            self._providing[name] = tuple(sorted(giving, key=lambda one: (one.priority, one.name)))
        return self._providing[name]


def _newest_first(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    return tuple(sorted(candidates, key=lambda one: version_key(one.version), reverse=True))
