"""The built-in scanner: what the distribution itself has signed about the packages in an image.

It needs no other program and no database: the security index says which updates are pending, the changelogs
of the updated packages which vulnerabilities they mend. What it can't know stands in `limits`.
"""

import time
from collections.abc import Iterable, Iterator

from builder import __version__
from builder.controls.inventory import inventory
from builder.errors import TemperError
from builder.model.image import Image
from builder.model.scan import ScannerName, ScanRun, Support, Vulnerability
from builder.packages.bases import Base
from builder.scan.archive import Asking, day, packages_of, refuse_stale, release_of, security_suite
from builder.scan.changelog import Changes, Fix, Release, out_since, since
from builder.scan.installed import Installed, architecture_of, base_of, installed
from builder.scan.lists import support_lists
from builder.scan.pending import Pending, pending
from builder.scan.support import supports
from builder.scan.target import Target
from builder.scan.updates import Changelogs, changelogs, source_of

NAME: ScannerName = "built-in"
UNFIXED = "vulnerabilities that the distribution has not mended, and those mended by a point release only"
URGENCY = "how severe a vulnerability is: a changelog tells the update's urgency, which stands as its status"


def scan(target: Target) -> ScanRun:
    """Never raises for what the archive does: what went wrong stands in `problem`."""
    place = target.place
    asking = Asking(store=place.store, progress=place.progress, now=int(time.time()), offline=place.offline)
    return look(target.image, asking)


def look(image: Image, asking: Asking) -> ScanRun:
    """`image` is any that was read; its packages are what its own records say."""
    packages = installed(image)
    run = ScanRun(scanner=NAME, version=__version__, packages=len(packages))
    base, problem = base_of(image)
    architecture, no_architecture = architecture_of(image)
    if base is None or no_architecture:
        return run.model_copy(update={"problem": problem or no_architecture})
    if not packages:
        return run.model_copy(update={"problem": "saw no packages: the image has no record of any"})
    try:
        return _assessed(run, image, packages, base, architecture, asking)
    except TemperError as error:
        return run.model_copy(update={"problem": str(error).partition("\n")[0]})


def _assessed(
    run: ScanRun,
    image: Image,
    packages: tuple[Installed, ...],
    base: Base,
    architecture: str,
    asking: Asking,
) -> ScanRun:
    asking.progress.stage("asking for security updates")
    release = release_of(asking, security_suite(base))
    refuse_stale(release, asking)
    [index] = packages_of(asking, [release], base, architecture)
    waiting = tuple(pending(packages, index))
    said = changelogs(asking, index, (one.update for one in waiting))
    support, no_lists = _support(packages, base, architecture, asking)
    return run.model_copy(
        update={
            "database": day(release.date),
            "found": tuple(row for one in waiting for row in _found(one, said)),
            "support": support,
            "limits": (
                UNFIXED,
                *_limits(image, packages, architecture),
                *_unread(waiting, said),
                URGENCY,
                *no_lists,
            ),
        }
    )


def _support(
    packages: tuple[Installed, ...], base: Base, architecture: str, asking: Asking
) -> tuple[tuple[Support, ...] | None, tuple[str, ...]]:
    """What the lists say; where they can't be had, nothing, and why."""
    try:
        lists = support_lists(asking, base, architecture)
    except TemperError as error:
        reason = str(error).partition("\n")[0]
        return None, (f"which packages have limited or ended support: {reason}",)
    return tuple(supports(packages, lists, day(asking.now))), ()


def _found(one: Pending, said: Changelogs) -> Iterator[Vulnerability]:
    """A row for each vulnerability that the update mends; one without a name where it names none."""
    changes = since(said.known.get(source_of(one.update), ()), one.package.source_version)
    rows: dict[str, tuple[Release, Fix]] = {}
    for release in changes.releases:  # newest first, so that the oldest stays: since then there is a fix
        rows.update({fix.id: (release, fix) for fix in release.fixes})
    if not rows:
        newest = changes.releases[0] if changes.releases else None
        yield _row(one, Fix(id="", title="a security update that names no CVE"), newest, changes)
    for name in sorted(rows):
        release, fix = rows[name]
        yield _row(one, fix, release, changes)


def _row(one: Pending, fix: Fix, release: Release | None, changes: Changes) -> Vulnerability:
    return Vulnerability(
        id=fix.id,
        package=one.package.name,
        version=one.package.version,
        kind="deb",
        purl=one.package.purl,
        fixed=one.update.version,
        fixed_since=out_since(changes, release) if release is not None else "",
        status=f"urgency {release.urgency}" if release is not None and release.urgency else "",
        title=fix.title,
    )


def _limits(image: Image, packages: Iterable[Installed], architecture: str) -> Iterator[str]:
    """What this image holds that no Debian index speaks of."""
    wheels = len(inventory(image).wheels)
    if wheels:
        yield f"vulnerabilities of wheels, of which the image has {wheels}, and of the libraries inside them"
    yield "vulnerabilities of files that no Debian package brought"
    others = sorted({one.architecture for one in packages} - {architecture, "all"})
    if others:
        yield f"packages of another architecture than the image's: {', '.join(others)}"


def _unread(waiting: Iterable[Pending], said: Changelogs) -> Iterator[str]:
    """Updates of which the vulnerabilities aren't known, or not all."""
    for source in sorted({source_of(one.update) for one in waiting} & said.unknown.keys()):
        yield f"what the update of {source[0]} mends: {said.unknown[source]}"
    known = {(source_of(one.update), one.package.source_version) for one in waiting}
    for source, version in sorted(known):
        if source in said.known and not since(said.known[source], version).reaches:
            yield f"all that the update of {source[0]} mends: its changelog doesn't go back to {version}"
