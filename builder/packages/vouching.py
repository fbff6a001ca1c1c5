"""Whether an archive's signed indexes know the packages of a lock: nobody has signed the lock itself."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from builder.errors import GoneError, NetworkError, TrustError
from builder.model.lock import Lock, LockedIndex, LockedPackage
from builder.packages.bases import Base, Suite
from builder.packages.index import Candidate, Index
from builder.packages.index_files import (
    compressed,
    decompress_indexes,
    fetch_compressed,
    packages_path,
    read_index,
)
from builder.packages.relations import version_key
from builder.packages.release import Release, fetch_release, signed_release
from builder.packages.store import Store
from builder.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signed index whose files lie in the store."""

    release: Release

    def packages(self, base: Base, architectures: Iterable[str]) -> dict[str, str]:
        """Path in the InRelease file -> sha256 of the compressed lists of packages."""
        files = [compressed(self.release, packages_path(base, name)) for name in architectures]
        return {file: self.release.files[file].sha256 for file in files}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """For the signed indexes of a base, and the lists of packages of these architectures."""

    store: Store
    base: Base
    architectures: tuple[str, ...]
    progress: Progress
    offline: bool

    def of(self, lock: Lock) -> Iterator[Signed]:
        """Those that the lock was made from, where they can still be had; today's otherwise.

        Raises `TrustError`, or `NetworkError`.
        """
        suites = {(suite.archive, suite.name): suite for suite in self.base.suites}
        for locked in lock.indexes:
            suite = suites[locked.archive, locked.suite]
            yield self._of_lock(suite, locked) or self._of_today(suite)

    def _of_lock(self, suite: Suite, locked: LockedIndex) -> Signed | None:
        if not self.store.has(locked.sha256):
            return None
        release = signed_release(self.store.blob(locked.sha256).read_bytes(), suite)
        try:
            self._bring(release)
        except GoneError:
            return None
        return Signed(release=release)

    def _of_today(self, suite: Suite) -> Signed:
        if self.offline:
            raise NetworkError(
                f"--offline: the store '{self.store.root}' lacks the signed index {suite.label} that the "
                "lock was made from; run once without --offline"
            )
        release = fetch_release(self.store, suite, now=int(time.time()))
        self._bring(release)
        return Signed(release=release)

    def _bring(self, release: Release) -> None:
        wanted = [(release, packages_path(self.base, name)) for name in self.architectures]
        fetch_compressed(self.store, wanted, self.progress, offline=self.offline)


def lists_of(base: Base, releases: Iterable[Release], architecture: str) -> set[str]:
    """The sha256 of each compressed list of packages, by the signed indexes."""
    path = packages_path(base, architecture)
    return {release.files[compressed(release, path)].sha256 for release in releases}


def indexes_of(store: Store, base: Base, releases: Iterable[Release], architecture: str) -> list[Index]:
    """Of compressed files that lie in the store, one architecture's: they hold some 60 MB."""
    path = packages_path(base, architecture)
    wanted = [(release, path) for release in releases]
    decompress_indexes(store, wanted)
    return [read_index(store, release, architecture, path) for release, path in wanted]


def package_named(indexes: Iterable[Index], name: str, *, without: str) -> Candidate | None:
    """The newest one of all archives but this."""
    found = [one for index in indexes if index.archive != without for one in index.named(name)]
    return max(found, key=lambda one: version_key(one.version), default=None)


def unvouched(indexes: Sequence[Index], locked: Iterable[LockedPackage]) -> Iterator[LockedPackage]:
    """Those that no index lists any more: only the lock says what they are.

    Raises `TrustError` for one that is listed with other content.
    """
    for package in locked:
        same = [
            one for index in indexes for one in index.named(package.name) if one.version == package.version
        ]
        same = [one for one in same if one.architecture == package.architecture]
        if not same:
            yield package
        elif package.sha256 not in {one.sha256 for one in same}:
            raise TrustError(
                f"{package.path.rpartition('/')[2]}: its sha256 is {package.sha256} in the lock and "
                f"{same[0].sha256} in the signed index; the lock was tampered with, or is another archive's"
            )
