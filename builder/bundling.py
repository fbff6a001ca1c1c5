"""`temper bundle`: everything that images are built from, in one file for where there is no network."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from builder import __version__
from builder.config.plan import lock_profile
from builder.describing import described, label_of
from builder.image.bundle_file import manifest_digest, write_bundle
from builder.image.folder import plain_errors
from builder.locks import absent, fetched
from builder.model.bundle import (
    Bundle,
    BundledBlob,
    BundledImage,
    BundledIndex,
    BundledKey,
    DescribedEntry,
)
from builder.model.lock import Lock, LockedPackage
from builder.model.plan import Plan
from builder.packages.bases import ARCHITECTURES, SECURITY, find_base
from builder.packages.download import Download, fetch
from builder.packages.index import Index
from builder.packages.lock import package_downloads, package_url
from builder.packages.mirrors import find_mirror
from builder.packages.release import keyring_of
from builder.packages.vouching import Asking, Signed, indexes_of, package_named, unvouched
from builder.scan.support import PACKAGE as SUPPORT
from builder.workplace import Workplace, chosen_platform, host_platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundling:
    """What was bundled."""

    path: Path
    size: int
    """Of the file, in bytes."""
    digest: str
    """Of the manifest, which names every file by its hash."""
    manifest: Bundle
    unvouched: tuple[LockedPackage, ...]
    """Those that no signed index lists any more."""


@dataclass(slots=True, kw_only=True)
class _Gathered:
    """Grows from image to image; what two of them share stands in it once."""

    place: Workplace
    blobs: dict[str, BundledBlob] = field(default_factory=dict)
    description: dict[str, DescribedEntry] = field(default_factory=dict)
    indexes: dict[str, BundledIndex] = field(default_factory=dict)
    keys: dict[str, BundledKey] = field(default_factory=dict)
    unvouched: dict[str, LockedPackage] = field(default_factory=dict)

    def blob(self, sha256: str, name: str) -> None:
        """Of what lies in the store. The first name stays: the order of the images decides, not chance."""
        size = self.place.store.blob(sha256).stat().st_size
        self.blobs.setdefault(sha256, BundledBlob(sha256=sha256, size=size, name=name))


def bundle(place: Workplace, plans: Sequence[Plan], platforms: Sequence[str], output: Path) -> Bundling:
    """Fetches what the store lacks. Raises what a build raises, `StoreError` where it can't be written."""
    gathered = _Gathered(place=place)
    images = [_image(gathered, plan, platforms) for plan in sorted(plans, key=lambda plan: plan.image)]
    manifest = Bundle(
        temper=__version__,
        images=tuple(images),
        description=_by_key(gathered.description),
        indexes=_by_key(gathered.indexes),
        keys=_by_key(gathered.keys),
        blobs=_by_key(gathered.blobs),
    )
    place.progress.stage("writing the bundle")
    place.progress.expect(len(manifest.blobs), sum(blob.size for blob in manifest.blobs), "bundled")
    with replaced(place, output) as file:
        write_bundle(manifest, place.store, file, place.progress)
    return Bundling(
        path=output,
        size=output.stat().st_size,
        digest=manifest_digest(manifest),
        manifest=manifest,
        unvouched=_by_key(gathered.unvouched),
    )


def _by_key(found: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(found[key] for key in sorted(found))


def _image(gathered: _Gathered, plan: Plan, platforms: Sequence[str]) -> BundledImage:
    place = gathered.place
    chosen = sorted({chosen_platform(plan, one) for one in platforms or (None,)})
    lock = everything(place, plan, chosen)
    for platform in building(plan, chosen):
        _locked_files(gathered, lock, platform, wheels=platform in chosen)
    entries = described(place.workspace, plan, place.store)
    gathered.description |= entries
    for entry in entries.values():
        if entry.sha256 is not None:
            gathered.blob(entry.sha256, entry.path)
    name = place.workspace.lock_path(plan.image, lock_profile(plan)).name
    return BundledImage(
        image=plan.image,
        profile=plan.profile,
        platforms=tuple(chosen),
        lock=f"{label_of(plan.folder.parents[1])}/images/{plan.folder.name}/{name}",
        indexes=tuple(_signed(gathered, lock, building(plan, chosen))),
    )


def everything(place: Workplace, plan: Plan, platforms: Sequence[str]) -> Lock:
    """One lock of which all files are in the store: it moves where some have left the mirror."""
    wanted = building(plan, platforms)
    while True:
        locks = [fetched(place, plan, one, wheels=one in platforms) for one in wanted]
        if all(lock == locks[-1] for lock in locks):
            break
    tools = tuple(one for platform in platforms for one in locks[-1].platforms[platform].toolbox)
    if lacking := absent(place, tools):
        fetch(place.store, package_downloads(lacking), place.progress, offline=place.offline)
    return locks[-1]


def building(plan: Plan, platforms: Sequence[str]) -> list[str]:
    """The platforms whose packages a build needs: byte code is compiled by the Python for this machine."""
    compiles = plan.spec.python is not None and plan.spec.python.bytecode
    host = {host_platform()} & set(plan.spec.platforms) if compiles else set()
    return sorted({*platforms, *host})


def _locked_files(gathered: _Gathered, lock: Lock, platform: str, *, wheels: bool) -> None:
    section = lock.platforms[platform]
    for package in (*section.packages, *(section.toolbox if wheels else ())):
        gathered.blob(package.sha256, package.path.rpartition("/")[2])
    for wheel in section.wheels if wheels else ():
        gathered.blob(wheel.sha256, wheel.filename)


def _signed(gathered: _Gathered, lock: Lock, platforms: Sequence[str]) -> Iterator[str]:
    """The sha256 of each InRelease file."""
    place, base = gathered.place, find_base(lock.base)
    architectures = tuple(ARCHITECTURES[platform] for platform in platforms)
    place.progress.stage("bringing the signed indexes")
    asking = Asking(
        store=place.store,
        base=base,
        architectures=architectures,
        progress=place.progress,
        offline=place.offline,
    )
    found = list(asking.of(lock))
    for signed in found:
        yield _index(gathered, signed, signed.packages(base, architectures))
    for platform, architecture in zip(platforms, architectures, strict=True):
        indexes = indexes_of(place.store, base, [one.release for one in found], architecture)
        section = lock.platforms[platform]
        for package in unvouched(indexes, (*section.packages, *section.toolbox)):
            gathered.unvouched[package.path] = package
        _support(gathered, indexes)


def _support(gathered: _Gathered, indexes: Sequence[Index]) -> None:
    """What the distribution supports less: a scan without network wants to know that too."""
    place, found = gathered.place, package_named(indexes, SUPPORT, without=SECURITY)
    if found is None:
        return
    name = found.path.rpartition("/")[2]
    if not place.store.has(found.sha256):
        url = package_url(find_mirror(found.archive), found.path)
        download = Download(url=url, sha256=found.sha256, size=found.size, name=name)
        fetch(place.store, [download], place.progress, offline=place.offline)
    gathered.blob(found.sha256, name)


def _index(gathered: _Gathered, signed: Signed, packages: Mapping[str, str]) -> str:
    release = signed.release
    suite = release.suite
    gathered.blob(release.sha256, suite.label)
    known = gathered.indexes.get(release.sha256)
    gathered.indexes[release.sha256] = BundledIndex(
        archive=suite.archive,
        suite=suite.name,
        sha256=release.sha256,
        packages={**(known.packages if known else {}), **packages},
    )
    for path, sha256 in packages.items():
        gathered.blob(sha256, f"{suite.archive}: dists/{suite.name}/{path}")
    for key in keyring_of(suite):
        sha256 = gathered.place.store.put(key.read_bytes())
        gathered.keys[f"{suite.archive}/{key.name}"] = BundledKey(
            name=f"{suite.archive}/{key.name}", sha256=sha256
        )
        gathered.blob(sha256, key.name)
    return release.sha256


@contextmanager
def replaced(place: Workplace, path: Path) -> Iterator[BinaryIO]:
    """Takes the place of the file when the block ends well. Processes that write the same one take turns."""
    fresh = path.with_name(f".{path.name}.partial")
    name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()
    with place.store.lock(f"bundle-{name}"), plain_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with fresh.open("wb", buffering=0) as file:
                yield file
            fresh.replace(path)
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)


def as_data(done: Bundling) -> dict[str, Any]:
    manifest = done.manifest
    return {
        "path": str(done.path),
        "size": done.size,
        "digest": done.digest,
        "files": len(manifest.blobs),
        "images": [
            {"image": one.image, "profile": one.profile, "platforms": list(one.platforms)}
            for one in manifest.images
        ],
        "unvouched": [one.path for one in done.unvouched],
    }


def as_text(done: Bundling) -> str:
    lines = [f"{one.image}, {one.profile}: {', '.join(one.platforms)}" for one in done.manifest.images]
    lines += [f"{done.path}: {len(done.manifest.blobs)} files, {done.size} bytes, {done.digest}"]
    if done.unvouched:
        lines.append(unvouched_text(done.unvouched))
    return "\n".join(lines)


def unvouched_text(packages: Sequence[LockedPackage]) -> str:
    names = ", ".join(f"{one.name} {one.version}" for one in packages)
    return (
        f"no signed index lists {len(packages)} of the packages any more, only the lock says what they are: "
        f"{names}; `temper lock --upgrade` moves to those that are listed"
    )
