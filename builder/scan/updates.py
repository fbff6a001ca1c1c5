"""What pending updates mend: the changelogs of the updated packages, read once and then kept in the store."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from builder.errors import ArchiveError, TemperError
from builder.packages.deb_texts import Texts, read_texts
from builder.packages.download import LOCK_AGAIN, Download, fetch
from builder.packages.index import Candidate, Index
from builder.packages.lock import package_url
from builder.packages.mirrors import find_mirror
from builder.packages.store import Store
from builder.scan.archive import Asking
from builder.scan.changelog import Fix, Release, parse_changelog

RECORD = "changelog-1"
LARGEST = 128 << 20
"""Bytes of a package that is fetched for its changelog."""
ROUNDS = 4
"""Packages of one source that are tried: a changelog is often a link to another one's."""
DOC = "usr/share/doc"

Source = tuple[str, str]
"""Name and version: an index may hold two versions of one source."""


@dataclass(slots=True)
class Changelogs:
    known: dict[Source, tuple[Release, ...]] = field(default_factory=dict)
    unknown: dict[Source, str] = field(default_factory=dict)
    """Why one isn't known."""


@dataclass(slots=True)
class _Wanted:
    """A source whose changelog is looked for."""

    key: str
    """What it is kept under: the first package that was asked."""
    queue: list[Candidate]


def source_of(one: Candidate) -> Source:
    return one.source, one.source_version


def changelogs(asking: Asking, index: Index, updates: Iterable[Candidate]) -> Changelogs:
    """Of the source of each update. Never raises for what a package or the network does."""
    found = Changelogs()
    wanted: dict[Source, _Wanted] = {}
    for source, own in _by_source(updates).items():
        kept = _kept(asking.store, own[0].sha256)
        if kept is not None:
            found.known[source] = kept
        else:
            queue = [one for one in (*own, *_siblings(index, source)) if one.size <= LARGEST]
            wanted[source] = _Wanted(key=own[0].sha256, queue=list(dict.fromkeys(queue)))
            found.unknown[source] = f"its packages have more than {LARGEST >> 20} MiB each"
    for _ in range(ROUNDS):
        _round(asking, index, wanted, found)
    return found


def _by_source(updates: Iterable[Candidate]) -> dict[Source, list[Candidate]]:
    """The smallest first: all packages of a source in one version say the same."""
    found: dict[Source, list[Candidate]] = {}
    for update in sorted(updates, key=lambda one: (one.size, one.name)):
        found.setdefault(source_of(update), []).append(update)
    return found


def _siblings(index: Index, source: Source) -> list[Candidate]:
    same = [one for one in index.built_from(source[0]) if source_of(one) == source]
    return sorted(same, key=lambda one: (one.size, one.name))


def _round(asking: Asking, index: Index, wanted: dict[Source, _Wanted], found: Changelogs) -> None:
    """One package of each source whose changelog is still missing; all are fetched at once."""
    asked = {source: one.queue.pop(0) for source, one in wanted.items() if one.queue}
    problems = _fetched(asking, tuple(asked.values()))
    for source, package in asked.items():
        queue = wanted[source].queue
        try:
            if not asking.store.has(package.sha256):
                raise ArchiveError(_about(package, problems))
            releases, other = _read(asking.store, package)
        except ArchiveError as error:
            found.unknown[source] = str(error).partition("\n")[0]
            continue
        if releases:
            queue.clear()
            found.known[source] = releases
            found.unknown.pop(source, None)
            asking.store.write_record(RECORD, wanted[source].key, _as_json(releases))
        else:
            found.unknown[source] = "none of its packages that were looked into holds a changelog"
            linked = [one for one in index.named(other) if source_of(one) == source and one.size <= LARGEST]
            queue[:0] = linked


def _fetched(asking: Asking, packages: Sequence[Candidate]) -> str:
    """Why some are missing, a line each as a rule; empty where none is."""
    missing = [one for one in packages if not asking.store.has(one.sha256)]
    if missing and asking.offline:
        return "its changelog isn't kept here; run once without --offline"
    try:
        if missing:
            asking.progress.stage("fetching changelogs")
            fetch(asking.store, [download_of(one) for one in missing], asking.progress)
    except TemperError as error:
        return str(error)
    return ""


def _about(package: Candidate, problems: str) -> str:
    """The line that is about this package; else the first, which is about all."""
    lines, name = problems.splitlines(), package.path.rpartition("/")[2]
    own = (line for line in lines if line.startswith(f"{name}: "))
    return next(own, next(iter(lines), "it could not be fetched")).removesuffix(LOCK_AGAIN)


def download_of(one: Candidate) -> Download:
    """Raises `InputError` where no mirror is configured."""
    return Download(
        url=package_url(find_mirror(one.archive), one.path),
        sha256=one.sha256,
        size=one.size,
        name=one.path.rpartition("/")[2],
    )


def _read(store: Store, one: Candidate) -> tuple[tuple[Release, ...], str]:
    """The changelog; where that is a link to another package's, none and that package's name."""
    folder = f"{DOC}/{one.name}"
    names = [f"{folder}/{name}" for name in ("changelog.Debian.gz", "changelog.gz", "changelog.Debian")]
    texts = read_texts(
        store.blob(one.sha256),
        one.path.rpartition("/")[2],
        wanted=lambda path: path in names or path == folder,
        enough=lambda path: path == names[0],
    )
    for name in names:
        if releases := parse_changelog(texts.files.get(name, "")):
            return releases, ""
    return (), _other(texts, one.name)


def _other(texts: Texts, name: str) -> str:
    """`usr/share/doc/libssl3t64[/changelog.Debian.gz]` -> `libssl3t64`"""
    for target in texts.links.values():
        if target.startswith(f"{DOC}/") and (other := target.split("/")[3]) != name:
            return other
    return ""


def _as_json(releases: Iterable[Release]) -> bytes:
    return json.dumps([asdict(one) for one in releases], separators=(",", ":")).encode()


def _kept(store: Store, sha256: str) -> tuple[Release, ...] | None:
    record = store.record(RECORD, sha256)
    if record is None:
        return None
    return tuple(
        Release(**{**row, "fixes": tuple(Fix(**fix) for fix in row["fixes"])}) for row in json.loads(record)
    )
