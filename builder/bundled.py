"""Building from a bundle: its files into the store, each checked, and its description as the workspace."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from builder import __version__
from builder.bundling import building, unvouched_text
from builder.config.workspace import Workspace
from builder.describing import differing, lay_out
from builder.errors import ArchiveError, InputError, TrustError
from builder.image.bundle_file import BundleFile, manifest_digest, opened_bundle
from builder.model.bundle import BUILT_IN, HERE, BundledImage, DescribedEntry
from builder.model.lock import Lock
from builder.packages.bases import ARCHITECTURES, SECURITY, find_base
from builder.packages.lock import read_lock
from builder.packages.release import Release, keep_release, kept_release, signed_release
from builder.packages.vouching import indexes_of, lists_of, package_named, unvouched
from builder.scan.support import PACKAGE as SUPPORT
from builder.workplace import Workplace, host_platform
from builder.workplace import plan as make_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    image: str
    profile: str
    platform: str | None


@contextmanager
def unbundled(place: Workplace, path: Path, asked: Asked) -> Iterator[Workplace]:
    """A workplace whose images, profiles and locks are the bundle's, and that never uses the network.

    Raises `InputError` where the bundle has not what was asked for, or where other descriptions stand in the
    working directory; `ArchiveError` and `TrustError` where it was damaged or tampered with.
    """
    with opened_bundle(path) as bundle, TemporaryDirectory(prefix="temper-bundle-") as name:
        root = Path(name)
        entry = find(bundle, asked)
        platform = asked.platform or host_platform()
        place.progress.stage(f"reading '{path}', {manifest_digest(bundle.manifest)}")
        tell_version(place, bundle)
        entries = bundle.manifest.description
        take(place, bundle, {one.sha256 for one in entries if one.sha256 is not None})
        lay_out(entries, place.store, root)
        refuse_other(place, path, asked, entries)
        folders = tuple(root / label for label in (HERE, BUILT_IN) if (root / label).is_dir())
        inside = replace(
            place, workspace=Workspace(folders, root / entry.lock.split("/")[0]), offline=True, locked=True
        )
        lock = read_lock(root / entry.lock)
        platforms = building(make_plan(inside, asked.image, asked.profile), [platform])
        take(place, bundle, wanted(bundle, entry, lock, platforms, platform))
        check_signatures(place, bundle, entry, lock, platforms)
        yield inside


def find(bundle: BundleFile, asked: Asked) -> BundledImage:
    """Raises `InputError` naming what is there."""
    there = ", ".join(
        f"{one.image} under {one.profile} for {' and '.join(one.platforms)}" for one in bundle.manifest.images
    )
    platform = asked.platform or host_platform()
    for one in bundle.manifest.images:
        if (one.image, one.profile) == (asked.image, asked.profile) and platform in one.platforms:
            return one
    raise InputError(
        f"'{bundle.path}': holds no {asked.image} under {asked.profile} for {platform}, but {there}; where "
        f"there is a network, run `temper bundle {asked.image} -p {asked.profile} --platform {platform}`"
    )


def tell_version(place: Workplace, bundle: BundleFile) -> None:
    if bundle.manifest.temper != __version__:
        place.progress.note(
            f"'{bundle.path}' was made by temper {bundle.manifest.temper}, this is {__version__}: "
            "the digest may be another one"
        )


def take(place: Workplace, bundle: BundleFile, wanted: set[str]) -> None:
    lacking = sorted(sha256 for sha256 in wanted if not place.store.has(sha256))
    if lacking:
        place.progress.expect(len(lacking), sum(map(bundle.size, lacking)), "unpacked")
    for sha256 in lacking:
        bundle.take(sha256, place.store, place.progress)


def wanted(
    bundle: BundleFile, entry: BundledImage, lock: Lock, platforms: list[str], platform: str
) -> set[str]:
    """What one image is built from; a bundle may hold others too. Raises `ArchiveError` for a wrong lock."""
    if not lock.platforms.keys() >= {*platforms}:
        raise ArchiveError(f"'{bundle.path}': its lock {entry.lock} is for other platforms; bundle anew")
    section = lock.platforms[platform]
    found = {one.sha256 for one in section.toolbox} | {one.sha256 for one in section.wheels}
    found |= {one.sha256 for name in platforms for one in lock.platforms[name].packages}
    return found | {*entry.indexes}


def refuse_other(place: Workplace, path: Path, asked: Asked, entries: tuple[DescribedEntry, ...]) -> None:
    """Nobody may believe to build what stands before them and get what the bundle holds."""
    other = differing(entries, place.workspace.cwd, place.store)
    if other:
        raise InputError(
            [
                f"{name}: is not the one in '{path}'; check out what was bundled, or run "
                f"`temper bundle {asked.image} -p {asked.profile}` anew"
                for name in other
            ]
        )


def check_signatures(
    place: Workplace, bundle: BundleFile, entry: BundledImage, lock: Lock, platforms: list[str]
) -> None:
    """As when the lock was made: each index is signed by a key that is trusted here, and names the packages.

    But for its age: a bundle is as old as it is.
    """
    base = find_base(lock.base)
    place.progress.stage("checking package indexes")
    releases = signed_releases(place, bundle, entry, lock)
    for release in releases:
        known = kept_release(place.store, release.suite)
        if known is None or known.release.date < release.date:  # a scan without network goes by it
            keep_release(place.store, release, release.date)
    for platform in platforms:
        section, architecture = lock.platforms[platform], ARCHITECTURES[platform]
        take(place, bundle, lists_of(base, releases, architecture))
        with naming(bundle):
            indexes = indexes_of(place.store, base, releases, architecture)
            old = list(unvouched(indexes, (*section.packages, *section.toolbox)))
        support = package_named(indexes, SUPPORT, without=SECURITY)
        if support is not None and bundle.size(support.sha256):
            take(place, bundle, {support.sha256})
        if old:
            place.progress.note(unvouched_text(old))


@contextmanager
def naming(bundle: BundleFile) -> Iterator[None]:
    """Messages on indexes know of no bundle."""
    try:
        yield
    except TrustError as error:
        raise TrustError(f"'{bundle.path}': {error}") from None


def signed_releases(place: Workplace, bundle: BundleFile, entry: BundledImage, lock: Lock) -> list[Release]:
    """One for each that the lock names. Raises `TrustError`, or `ArchiveError` where one is missing."""
    suites = {(suite.archive, suite.name): suite for suite in find_base(lock.base).suites}
    carried = {
        (one.archive, one.suite): one for one in bundle.manifest.indexes if one.sha256 in entry.indexes
    }
    found = []
    for locked in lock.indexes:
        key = (locked.archive, locked.suite)
        if key not in carried:
            raise ArchiveError(f"'{bundle.path}': lacks the signed index {suites[key].label}; bundle anew")
        data = place.store.blob(carried[key].sha256).read_bytes()
        with naming(bundle):
            found.append(signed_release(data, suites[key]))
    return found
