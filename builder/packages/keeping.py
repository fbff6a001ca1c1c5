"""What a new lock keeps of the one before it: a package moves where it has to, or is asked to."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType

from builder.errors import ResolveError
from builder.model.lock import LockedPackage, LockedPlatform, Moving
from builder.model.plan import PackageRequest
from builder.packages.bases import SECURITY
from builder.packages.deb import unpack_deb
from builder.packages.download import fetch
from builder.packages.held import Held
from builder.packages.index import Candidate, Index, Universe
from builder.packages.lock import package_downloads
from builder.packages.resolve import Resolution, resolve
from builder.packages.store import Store
from builder.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """Which version each package that was locked is to have, by name."""

    kept: Mapping[str, Candidate] = field(default_factory=lambda: MappingProxyType({}))
    """The locked one, as long as nothing speaks against it."""
    moved: Mapping[str, Candidate] = field(default_factory=lambda: MappingProxyType({}))
    """The newest. Without these a search would rather leave out a fix than move what the fix needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How what was locked for a platform stands to the archive."""

    image: Pins = Pins()
    toolbox: Pins = Pins()
    fixed: frozenset[str] = frozenset()
    """Names of those with a newer version among the security updates, whichever suite it is taken from."""
    behind: frozenset[str] = frozenset()
    """Names of those with a newer version anywhere."""
    gone: frozenset[str] = frozenset()
    """Names of those that no mirror serves any more."""


def standing(
    universe: Universe, before: LockedPlatform | None, moving: Moving, store: Store, progress: Progress
) -> Standing:
    """Raises `NetworkError` where a mirror can't be asked, `ArchiveError` for a damaged package."""
    if before is None:
        return Standing()
    locked = (*before.packages, *before.toolbox)
    fixed = frozenset(one.name for one in locked if universe.has_newer(one.name, one.version, SECURITY))
    known = {one.sha256: universe.listed(one) for one in locked}
    unlisted = [one for one in locked if known[one.sha256] is None]
    lost = gone(unlisted, progress)
    if moving is not Moving.ALL:
        served = tuple(one for one in unlisted if one.sha256 not in lost)
        known |= read_themselves(served, store, progress)
    released = {Moving.NEEDED: frozenset[str](), Moving.SECURITY: fixed}.get(moving)
    return Standing(
        image=_pins(universe, before.packages, known, released),
        toolbox=_pins(universe, before.toolbox, known, released),
        fixed=fixed,
        behind=frozenset(one.name for one in locked if universe.has_newer(one.name, one.version)),
        gone=frozenset(one.name for one in unlisted if one.sha256 in lost),
    )


def _pins(
    universe: Universe,
    locked: Iterable[LockedPackage],
    known: Mapping[str, Candidate | None],
    released: frozenset[str] | None,
) -> Pins:
    """`released` are to move; None: nothing is held to any version."""
    if released is None:
        return Pins()
    found = {one.name: None if one.name in released else known[one.sha256] for one in locked}
    newest = {name: universe.named(name)[:1] for name, one in found.items() if one is None}
    return Pins(
        kept={name: one for name, one in found.items() if one is not None},
        moved={name: one for name, versions in newest.items() for one in versions},
    )


def gone(unlisted: Iterable[LockedPackage], progress: Progress) -> frozenset[str]:
    """The sha256 of those that no mirror serves: what an index drops often stays for some days."""
    wanted = tuple(unlisted)
    if not wanted:
        return frozenset()
    from builder.packages.sizes import lacking  # noqa: PLC0415 - imports httpx

    progress.stage("asking for superseded packages")
    urls = {download.url: download.sha256 for download in package_downloads(wanted)}
    return frozenset(urls[url] for url in lacking(list(urls)))


def read_themselves(
    served: tuple[LockedPackage, ...], store: Store, progress: Progress
) -> dict[str, Candidate | None]:
    """What a package needs stands in it too: with that it can stay, though no index lists it."""
    if not served:
        return {}
    fetch(store, package_downloads(served), progress)
    return {one.sha256: superseded(one, unpack_deb(store, one).control) for one in served}


def superseded(locked: LockedPackage, control: str) -> Candidate:
    """A package that no index lists any more, by its own control stanza. Raises `ArchiveError`."""
    told = f"Filename: {locked.path}\nSize: {locked.size}\nSHA256: {locked.sha256}\n"
    text = f"Package: {locked.name}\n{control.strip()}\n{told}".encode()
    [found] = Index(text, locked.archive, locked.architecture).named(locked.name)
    return found


def resolve_keeping(
    universe: Universe, requests: tuple[PackageRequest, ...], held: Held, pins: Pins
) -> Resolution:
    """The closure with what is kept in its version. What stands in the way of a solution is let go: first
    what could have stayed, then what was to move.

    Raises `ResolveError` as `resolve` does, where nothing that was locked is the reason.
    """
    kept, moved = dict(pins.kept), dict(pins.moved)
    while kept or moved:
        try:
            return resolve(universe.keeping({**kept, **moved}), requests, held)
        except ResolveError as error:
            loose = error.parties & kept.keys() or error.parties & moved.keys() or {*kept, *moved}
            kept, moved = _without(loose, kept), _without(loose, moved)
    return resolve(universe, requests, held)


def _without(names: Set[str], pinned: Mapping[str, Candidate]) -> dict[str, Candidate]:
    return {name: one for name, one in pinned.items() if name not in names}
