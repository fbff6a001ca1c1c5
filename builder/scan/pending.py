"""Which installed packages the security index has a newer version of. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from builder.errors import ArchiveError
from builder.packages.index import Candidate, Index
from builder.packages.relations import version_key
from builder.scan.installed import Installed


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    package: Installed
    update: Candidate


def pending(packages: Iterable[Installed], index: Index) -> Iterator[Pending]:
    """In the order of the packages. Only those of the index's architecture, and those for all.

    Whoever built a package of that name, its version alone decides, as it does for apt.
    """
    for package in packages:
        if package.architecture not in (index.architecture, "all"):
            continue
        found = index.named(package.name)
        update = max(found, key=lambda one: version_key(one.version), default=None)
        if update is not None and _is_older(package.version, update.version):
            yield Pending(package=package, update=update)


def _is_older(version: str, than: str) -> bool:
    """A version that can't be read is taken for an old one: somebody has to look."""
    try:
        return version_key(version) < version_key(than)
    except ArchiveError:
        return True
