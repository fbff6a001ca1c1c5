"""The distribution's lists of what it supports less, out of its own package, verified by the signed index."""

import hashlib
import json

from builder.errors import ArchiveError
from builder.packages.bases import SECURITY, Base
from builder.packages.deb_texts import read_texts
from builder.packages.download import fetch
from builder.packages.index import Candidate
from builder.packages.relations import version_key
from builder.scan.archive import Asking, packages_of, release_of
from builder.scan.installed import RELEASES
from builder.scan.support import PACKAGE, Listed, as_data, file_names, of_data, parse_lists
from builder.scan.updates import download_of

RECORD = "support-1"


def support_lists(asking: Asking, base: Base, architecture: str) -> tuple[Listed, ...]:
    """Kept in the store by the indexes that lead to them: the large one is read once.

    Raises `NetworkError`, `TrustError` or `ArchiveError`.
    """
    releases = [release_of(asking, suite) for suite in base.suites if suite.archive != SECURITY]
    path = f"{base.component}/binary-{architecture}/Packages"
    listed = [release.files[path].sha256 for release in releases if path in release.files]
    key = hashlib.sha256(" ".join(listed).encode()).hexdigest()
    record = asking.store.record(RECORD, key)
    if record is None:
        indexes = packages_of(asking, releases, base, architecture)
        found = [one for index in indexes for one in index.named(PACKAGE)]
        lists = _lists(asking, base, found)
        record = json.dumps(as_data(lists)).encode()
        asking.store.write_record(RECORD, key, record)
    return of_data(json.loads(record))


def _lists(asking: Asking, base: Base, found: list[Candidate]) -> tuple[Listed, ...]:
    newest = max(found, key=lambda one: version_key(one.version), default=None)
    if newest is None:
        raise ArchiveError(f"{base.name} has no package {PACKAGE}")
    name = newest.path.rpartition("/")[2]
    if not asking.store.has(newest.sha256):  # out of a bundle it came without any mirror
        fetch(asking.store, [download_of(newest)], asking.progress, offline=asking.offline)
    release = next(version for version, known in RELEASES.items() if known == base.name)
    names = file_names(release)
    texts = read_texts(asking.store.blob(newest.sha256), name, wanted=lambda path: path in names)
    lists = parse_lists(texts.files, release)
    if not lists:
        raise ArchiveError(f"{name}: holds no list for release {release}")
    return lists
