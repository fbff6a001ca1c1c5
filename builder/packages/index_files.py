"""Packages files of signed indexes: fetched, checked against the signed hashes, and loaded."""

import gzip
import lzma
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from builder.errors import ArchiveError, NetworkError, TrustError
from builder.packages.bases import Base
from builder.packages.download import Download, fetch
from builder.packages.index import Index, Universe
from builder.packages.mirrors import find_mirror
from builder.packages.release import Listed, Release
from builder.packages.store import Store
from builder.progress import Progress

_FORMATS = (".xz", ".gz", "")
"""Compressions of Packages, the smallest first."""
_CHUNK = 1 << 20


def load_universes(
    store: Store, base: Base, releases: Iterable[Release], architectures: Iterable[str], progress: Progress
) -> Iterator[Universe]:
    """Fetches every index that is not in the store, then loads one architecture after the other.

    One at a time, since each holds some 60 MB. Raises `NetworkError`, `TrustError` or `ArchiveError`.
    """
    releases, architectures = tuple(releases), tuple(architectures)
    paths = {architecture: packages_path(base, architecture) for architecture in architectures}
    fetch_indexes(store, [(release, path) for release in releases for path in paths.values()], progress)
    for architecture, path in paths.items():
        yield Universe(
            f"{base.name} for {architecture}",
            (read_index(store, release, architecture, path) for release in releases),
        )


def packages_path(base: Base, architecture: str) -> str:
    """Below the InRelease's folder."""
    return f"{base.component}/binary-{architecture}/Packages"


def fetch_indexes(store: Store, wanted: Iterable[tuple[Release, str]], progress: Progress) -> None:
    """Brings the uncompressed files into the store, each checked against the signed hashes."""
    missing = [(release, path) for release, path in wanted if not store.has(_listed(release, path).sha256)]
    if missing:
        progress.stage("fetching package indexes")
        fetch_compressed(store, missing, progress)
        decompress_indexes(store, missing)


def fetch_compressed(
    store: Store, wanted: Iterable[tuple[Release, str]], progress: Progress, *, offline: bool = False
) -> None:
    """Into the store, unless they are there. Raises `GoneError` or `NetworkError`."""
    lacking = [
        (release, path)
        for release, path in wanted
        if not store.has(release.files[compressed(release, path)].sha256)
    ]
    fetch(store, [_download(release, path) for release, path in lacking], progress, offline=offline)


def decompress_indexes(store: Store, wanted: Iterable[tuple[Release, str]]) -> None:
    """Of compressed ones that lie in the store. Raises `TrustError` or `ArchiveError`."""
    with ThreadPoolExecutor(2) as pool:  # xz takes a second for each large one, outside of Python's lock
        done = [
            pool.submit(_unpack, store, release, path)
            for release, path in wanted
            if not store.has(_listed(release, path).sha256)
        ]
        for future in done:
            future.result()


def _listed(release: Release, path: str) -> Listed:
    if path not in release.files:
        raise NetworkError(
            f"{release.suite.label}: lists no {path}; "
            "leave this platform out of image.yaml or use another base"
        )
    return release.files[path]


def compressed(release: Release, path: str) -> str:
    """The path of the smallest form that the signed index names. Raises `NetworkError` for none."""
    _listed(release, path)
    return path + next(suffix for suffix in _FORMATS if path + suffix in release.files)


def _download(release: Release, path: str) -> Download:
    """By hash, so that an archive that moves on can't tear it."""
    file, suite = compressed(release, path), release.suite
    listed = release.files[file]
    folder = f"{find_mirror(suite.archive)}/dists/{suite.name}"
    where = f"{path.rpartition('/')[0]}/by-hash/SHA256/{listed.sha256}" if release.by_hash else file
    return Download(
        url=f"{folder}/{where}", sha256=listed.sha256, size=listed.size, name=_label(release, file)
    )


def _label(release: Release, file: str) -> str:
    return f"{release.suite.archive}: dists/{release.suite.name}/{file}"


def _unpack(store: Store, release: Release, path: str) -> None:
    listed, file = _listed(release, path), compressed(release, path)
    if suffix := file.removeprefix(path):
        source = store.blob(release.files[file].sha256)
        decompress(store, source, suffix, listed, _label(release, file))


def decompress(store: Store, source: Path, suffix: str, listed: Listed, name: str) -> None:
    """Never unpacks more than the signed size, so a small bomb can't fill the disk."""
    opener = lzma.open if suffix == ".xz" else gzip.open
    try:
        with closing(opener(source, "rb")) as packed, store.writer() as writer:
            while (left := listed.size + 1 - writer.size) > 0 and (data := packed.read(min(_CHUNK, left))):
                writer.write(data)
            if writer.sha256 != listed.sha256:
                raise TrustError(
                    f"{name}: unpacks to something else than the signed index says; use another mirror"
                )
    except (lzma.LZMAError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise ArchiveError(f"{name}: is damaged ({error}); use another mirror") from None


def read_index(store: Store, release: Release, architecture: str, path: str) -> Index:
    """Of a file that lies uncompressed in the store."""
    text = store.blob(release.files[path].sha256).read_bytes()
    return Index(text, release.suite.archive, architecture)
