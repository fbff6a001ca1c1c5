"""A lock made of what the archive's signed indexes and the Python index hold now."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from builder.model.lock import Lock, LockedPackage, LockedPlatform, LockedWheel, Moving
from builder.model.plan import PackageRequest, Plan
from builder.packages.bases import ARCHITECTURES, find_base
from builder.packages.held import load_held
from builder.packages.index import Universe
from builder.packages.index_files import load_universes
from builder.packages.keeping import Standing, resolve_keeping, standing
from builder.packages.lock import inputs_digest
from builder.packages.release import Release, fetch_release
from builder.packages.resolve import Resolution, resolve
from builder.packages.store import Store
from builder.progress import Progress
from builder.rootfs.sonames import packages_of

BASE_PACKAGES = ("base-files",)
"""Every image has them: os-release tells scanners and people what it is made of."""

TOOLBOX = (
    PackageRequest(name="busybox-static", asked_by="toolbox"),
    PackageRequest(name="strace", asked_by="toolbox"),
)
"""What live verification brings along. busybox is static: it may not depend on what stands in an image;
strace comes with its loader and libraries, for the same reason."""

Wheels = Callable[[str, tuple[LockedWheel, ...]], tuple[LockedWheel, ...]]
"""Resolves the image's Python requirements for a platform (`linux/amd64`); keeps the second if it can."""


Names = Mapping[str, frozenset[str]]
"""Of packages, by platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """A new lock, and how the one before it stood to the archive."""

    lock: Lock
    fixed: Names = field(default_factory=lambda: MappingProxyType({}))
    """What of the one before has a newer version among the security updates."""
    behind: Names = field(default_factory=lambda: MappingProxyType({}))
    """What of the one before has a newer version anywhere."""
    gone: Names = field(default_factory=lambda: MappingProxyType({}))
    """What of the one before no mirror serves any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Solved:
    """Of one platform."""

    image: Resolution
    toolbox: Resolution
    before: Standing


def make_lock(  # noqa: PLR0913 - all but two by name
    plan: Plan,
    store: Store,
    *,
    wheels: Wheels,
    now: int,
    previous: Lock | None,
    progress: Progress,
    libraries: Mapping[str, str] = MappingProxyType({}),
    moving: Moving = Moving.ALL,
) -> Fresh:
    """Resolves a plan against today's archive. `now` is in seconds since the epoch, for the indexes' dates.

    `libraries` are sonames that nothing asked for brings, and who needs each: the packages that have them
    come along, where the archive's naming rule finds them. `moving` says what of the `previous` lock may go.
    Raises `TrustError`, `NetworkError`, `ResolveError` or what `wheels` raises.
    """
    base = find_base(plan.spec.base)
    progress.stage("checking package indexes")
    releases = tuple(
        fetch_release(store, suite, now=now, not_before=_locked_date(previous, suite.archive, suite.name))
        for suite in base.suites
    )
    before = previous.platforms if previous is not None and previous.base == base.name else {}
    solved = _resolve(plan, libraries, store, releases, progress, before, moving)
    if plan.spec.python is not None and plan.spec.python.requirements:
        progress.stage("resolving Python requirements")
    lock = Lock(
        inputs=inputs_digest(plan),
        base=base.name,
        date=max(release.date for release in releases),
        indexes=tuple(release.locked() for release in releases),
        platforms={
            platform: _section(one, wheels(platform, _staying(before.get(platform), moving)))
            for platform, one in solved.items()
        },
    )
    return Fresh(
        lock=lock,
        fixed={platform: one.before.fixed for platform, one in solved.items()},
        behind={platform: one.before.behind for platform, one in solved.items()},
        gone={platform: one.before.gone for platform, one in solved.items()},
    )


def _section(solved: "_Solved", wheels: tuple[LockedWheel, ...]) -> LockedPlatform:
    return LockedPlatform(
        packages=solved.image.packages,
        held_back=solved.image.held_back,
        wheels=wheels,
        toolbox=solved.toolbox.packages,
    )


def _staying(before: LockedPlatform | None, moving: Moving) -> tuple[LockedWheel, ...]:
    return before.wheels if before is not None and moving is not Moving.ALL else ()


def lock_probe(
    store: Store, base_name: str, platform: str, now: int, progress: Progress
) -> tuple[LockedPackage, ...]:
    """busybox-static alone, as the archive has it today: for images that no lock of ours belongs to.

    Raises `TrustError`, `NetworkError` or `ResolveError`.
    """
    base = find_base(base_name)
    progress.stage("checking package indexes")
    releases = tuple(fetch_release(store, suite, now=now) for suite in base.suites)
    universe = next(load_universes(store, base, releases, {ARCHITECTURES[platform]: platform}, progress))
    return resolve(universe, TOOLBOX[:1], load_held()).packages


def _resolve(  # noqa: PLR0913, PLR0917 - what make_lock was given
    plan: Plan,
    libraries: Mapping[str, str],
    store: Store,
    releases: tuple[Release, ...],
    progress: Progress,
    before: Mapping[str, LockedPlatform],
    moving: Moving,
) -> dict[str, _Solved]:
    """What goes into the image, and what the toolbox needs, by platform."""
    requests = (
        *plan.packages,
        *(PackageRequest(name=name, asked_by="base") for name in BASE_PACKAGES),
    )
    architectures = {ARCHITECTURES[platform]: platform for platform in sorted(plan.spec.platforms)}
    base = find_base(plan.spec.base)
    universes: Iterator[Universe] = load_universes(store, base, releases, architectures, progress)

    def solve(universe: Universe, platform: str) -> _Solved:
        stands = standing(universe, before.get(platform), moving, store, progress)
        progress.stage(f"resolving packages of {universe.label}")
        asked, held = (*requests, *_bringing(universe, libraries)), load_held()
        return _Solved(
            image=resolve_keeping(universe, asked, held, stands.image),
            toolbox=resolve_keeping(universe, TOOLBOX, held, stands.toolbox),
            before=stands,
        )

    # no universe has a name here: two at once would double the memory
    return {platform: solve(next(universes), platform) for platform in architectures.values()}


def _bringing(universe: Universe, libraries: Mapping[str, str]) -> Iterator[PackageRequest]:
    """A package for each library; none where no guess is in the archive: the build's audit names those."""
    for soname, needed_by in sorted(libraries.items()):
        found = next((name for name in packages_of(soname) if universe.named(name)), None)
        if found is not None:
            yield PackageRequest(name=found, asked_by=f"{soname} of {needed_by}")


def _locked_date(lock: Lock | None, archive: str, suite: str) -> int:
    indexes = () if lock is None else lock.indexes
    return max((one.date for one in indexes if (one.archive, one.suite) == (archive, suite)), default=0)
