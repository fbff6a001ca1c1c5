"""The distribution's signed indexes for a scan: asked for once an hour at most, and kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from builder.errors import NetworkError, TrustError
from builder.packages.bases import SECURITY, Base, Suite
from builder.packages.index import Index
from builder.packages.index_files import fetch_indexes
from builder.packages.release import Release, fetch_release, kept_release
from builder.packages.store import Store
from builder.progress import Progress

FRESH = 3600
"""Seconds for which an index is not asked for again: the archive writes a new one a few times a day."""
UNSTATED = 14 * 24 * 3600
"""Seconds for which a security index is believed that doesn't say how long it is valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What a scan may ask for, and when it does."""

    store: Store
    progress: Progress
    now: int
    """Seconds since the epoch."""
    offline: bool


def security_suite(base: Base) -> Suite:
    return next(suite for suite in base.suites if suite.archive == SECURITY)


def release_of(asking: Asking, suite: Suite) -> Release:
    """The index as it is now, verified; without the network the one that was verified here last.

    Raises `NetworkError` or `TrustError`, and `InputError` where no mirror is configured.
    """
    kept = kept_release(asking.store, suite)
    young = kept is not None and 0 <= asking.now - kept.fetched < FRESH
    if kept is not None and young and not _has_ended(kept.release, asking.now):
        return kept.release
    if not asking.offline:
        return fetch_release(asking.store, suite, now=asking.now)
    if kept is None:
        raise NetworkError(f"{suite.label}: none was fetched here yet; run once without --offline")
    return kept.release


def refuse_stale(release: Release, asking: Asking) -> None:
    """What came in since isn't in it, so that `no update pending` would mean nothing."""
    too_old = release.valid_until is None and release.date + UNSTATED < asking.now
    if too_old or _has_ended(release, asking.now):
        end = "" if release.valid_until is None else f" and was valid until {day(release.valid_until)}"
        advice = "run once without --offline" if asking.offline else "use a mirror that is up to date"
        raise TrustError(
            f"{release.suite.label}: is of {day(release.date)}{end}, too old to say what is pending; {advice}"
        )


def _has_ended(release: Release, now: int) -> bool:
    """The index of a release that is out says no end, and changes every few months."""
    return release.valid_until is not None and release.valid_until < now


def packages_of(asking: Asking, releases: Iterable[Release], base: Base, architecture: str) -> list[Index]:
    """Raises `NetworkError` without the network where one isn't in the store, and what fetching raises."""
    path = f"{base.component}/binary-{architecture}/Packages"
    wanted = [(release, path) for release in releases]
    missing = [
        release.suite.label
        for release, _ in wanted
        if path in release.files and not asking.store.has(release.files[path].sha256)
    ]
    if asking.offline and missing:
        raise NetworkError(f"{missing[0]}: its list of packages isn't kept here; run once without --offline")
    fetch_indexes(asking.store, wanted, asking.progress)
    return [
        Index(asking.store.blob(release.files[path].sha256).read_bytes(), release.suite.archive, architecture)
        for release, path in wanted
    ]


def day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).date().isoformat()
