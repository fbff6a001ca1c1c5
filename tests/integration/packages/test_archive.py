"""From a signed archive to a lock and packages in the store: the good way and the bad ones, by message."""

import dataclasses
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from builder.errors import GoneError, NetworkError, ResolveError, TrustError
from builder.model.lock import Lock
from builder.model.plan import PackageRequest, Plan
from builder.model.profile import RunSettings
from builder.model.spec import ImageSpec
from builder.packages.download import fetch
from builder.packages.lock import differences, lock_text, package_downloads, read_lock
from builder.packages.locking import lock_probe, make_lock
from builder.packages.store import Store
from builder.progress import Silent
from tests.integration.archive import ALWAYS, DATE, DAY, Deb, LocalArchive, Signing, flip, signing_key

BASE = ALWAYS[0]
LIB = Deb(name="lib", version="2.0", architecture="all", files={"usr/lib/lib.so": b"x" * 999})
APP = Deb(name="app", architecture="all", depends="lib (>= 2)")
INRELEASE = "debian: dists/trixie/InRelease"


@pytest.fixture
def store() -> Store:
    return Store.default()


def plan(*names: str, platforms: tuple[Any, ...] = ("linux/amd64",)) -> Plan:
    spec = ImageSpec(description="x", base="debian/trixie", entrypoint=("x",), platforms=platforms)
    return Plan(
        image="app",
        profile="hardened",
        chain=("hardened",),
        spec=spec,
        folder=Path(),
        packages=tuple(PackageRequest(name=name, asked_by="image") for name in names),
        controls=(),
        switched_off=(),
        run=RunSettings(),
        waivers=(),
    )


def lock(
    store: Store, *names: str, now: int = DATE + 60, previous: Lock | None = None, **options: Any
) -> Lock:
    return make_lock(
        plan(*names, **options),
        store,
        wheels=lambda *_: (),
        now=now,
        previous=previous,
        progress=Silent(),
    ).lock


def test_the_probe_program_alone_is_locked_to_what_the_archive_has(
    archive: LocalArchive, store: Store
) -> None:
    archive.publish([LIB])
    [found] = lock_probe(store, "debian/trixie", "linux/amd64", DATE + 60, Silent())
    assert (found.name, found.version, found.because) == ("busybox-static", "1.0", "toolbox")
    fetch(store, package_downloads((found,)), Silent())
    assert store.has(found.sha256)


def said(error: type[Exception], *arguments: Any, **options: Any) -> str:
    with pytest.raises(error) as raised:
        lock(*arguments, **options)
    assert type(raised.value) is error
    return str(raised.value)


def fetch_said(error: type[Exception], store: Store, made: Lock) -> str:
    with pytest.raises(error) as raised:
        fetch(store, package_downloads(made.platforms["linux/amd64"].packages), Silent())
    assert type(raised.value) is error
    return str(raised.value)


def names(made: Lock, platform: str = "linux/amd64") -> list[str]:
    return [f"{one.name} {one.version} {one.because}" for one in made.platforms[platform].packages]


def test_locks_and_fetches_the_closure(archive: LocalArchive, store: Store, tmp_path: Path) -> None:
    archive.publish([BASE, LIB, APP, Deb(name="other", architecture="all")])
    made = lock(store, "app", platforms=("linux/amd64", "linux/arm64"))
    assert (
        names(made) == names(made, "linux/arm64") == ["app 1.0 image", "base-files 1.0 base", "lib 2.0 app"]
    )
    fetch(store, package_downloads(made.platforms["linux/amd64"].packages), Silent())
    assert store.blob(hashlib.sha256(LIB.build()).hexdigest()).read_bytes() == LIB.build()
    (tmp_path / "image.lock.json").write_text(lock_text(made))
    assert read_lock(tmp_path / "image.lock.json") == made


def test_the_lock_says_what_it_was_made_from(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE])
    made = lock(store)
    key = signing_key("archive").extract_certificate().fingerprint.upper()
    assert [(one.archive, one.suite, one.date, one.valid_until, one.signed_by) for one in made.indexes] == [
        (name, suite, DATE, DATE + 7 * DAY, (key,))
        for name, suite in (
            ("debian", "trixie"),
            ("debian", "trixie-updates"),
            ("debian-security", "trixie-security"),
        )
    ]
    assert made.date == DATE
    assert "127.0.0.1" not in lock_text(made)


def test_locking_twice_gives_the_same_lock(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE, LIB, APP])
    assert lock_text(lock(store, "app")) == lock_text(lock(store, "app", now=DATE + 999))


def test_the_newest_version_over_all_suites_wins(archive: LocalArchive, store: Store) -> None:
    fixed = dataclasses.replace(LIB, version="2.0+deb13u1")
    archive.publish([BASE, LIB, APP], updates=[dataclasses.replace(APP, version="1.1")], security=[fixed])
    made = lock(store, "app")
    assert names(made) == ["app 1.1 image", "base-files 1.0 base", "lib 2.0+deb13u1 app"]
    assert made.platforms["linux/amd64"].packages[2].archive == "debian-security"
    fetch(store, package_downloads(made.platforms["linux/amd64"].packages), Silent())


def test_what_moved_is_told(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE, LIB, APP])
    old = lock(store, "app")
    archive.publish([BASE, dataclasses.replace(LIB, version="2.1"), APP], date=DATE + DAY)
    assert differences(old, lock(store, "app", now=DATE + DAY, previous=old)) == ("lib 2.0 -> 2.1",)


@pytest.mark.parametrize("by_hash", [True, False])
def test_works_with_and_without_by_hash(archive: LocalArchive, store: Store, by_hash: bool) -> None:
    archive.publish([BASE], by_hash=by_hash)
    assert names(lock(store)) == ["base-files 1.0 base"]


def test_an_index_without_end_of_validity_is_fine(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE], valid=None)
    assert lock(store, now=DATE + 400 * DAY).indexes[0].valid_until is None


def test_unsigned(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE], signing=Signing.UNSIGNED)
    assert said(TrustError, store) == (
        f"{INRELEASE}: is not signed; use a mirror that serves the distribution's signed index"
    )


def test_tampered(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE], signing=Signing.TAMPERED)
    assert said(TrustError, store) == (
        f"{INRELEASE}: its signature is bad: the text was changed after it was signed, or the key has "
        "expired; use another mirror"
    )


def test_signed_by_a_stranger(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE], signing=Signing.STRANGER)
    message = re.sub("[0-9A-F]{40}", "KEY", said(TrustError, store))
    assert message == (
        f"{INRELEASE}: signed by KEY, which is none of the archive's keys; use a mirror of the distribution, "
        "or trust a private archive's key by 'keyrings' in temper/config.yaml"
    )


def test_signed_by_nobody_the_distribution_knows(
    archive: LocalArchive, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEMPER_KEYRING_DEBIAN")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(archive.root))
    archive.publish([BASE])
    assert "which is none of the archive's keys" in said(TrustError, store)


def test_a_signature_that_breaks_off(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE])
    path = archive.root / "debian/dists/trixie/InRelease"
    path.write_bytes(path.read_bytes().partition(b"-----BEGIN PGP SIGNATURE")[0])
    assert said(TrustError, store).startswith(f"{INRELEASE}: its signature is damaged (")


def test_stale(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE])
    assert said(TrustError, store, now=DATE + 8 * DAY) == (
        f"{INRELEASE}: was valid until 2026-09-28 14:13 UTC and is stale; "
        "use a mirror that is up to date, or set this machine's clock if it is wrong"
    )


def test_from_the_future(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE])
    assert said(TrustError, store, now=DATE - DAY) == (
        f"{INRELEASE}: is dated 2026-09-21 14:13 UTC, which is in the future; set this machine's clock"
    )


def test_replayed_after_a_newer_one_was_seen(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE], date=DATE)
    lock(store)
    archive.publish([BASE], date=DATE - DAY)
    assert said(TrustError, store) == (
        f"{INRELEASE}: is dated 2026-09-20 14:13 UTC, but this machine has already seen one of "
        "2026-09-21 14:13 UTC: an old index is being replayed; use a mirror that is up to date, "
        "or start from no lock and an empty store if going back is meant"
    )


def test_replayed_after_a_lock_was_made_from_a_newer_one(
    archive: LocalArchive, store: Store, tmp_path: Path
) -> None:
    archive.publish([BASE], date=DATE)
    previous = lock(store)
    archive.publish([BASE], date=DATE - DAY)
    assert said(TrustError, Store(tmp_path / "fresh"), previous=previous) == (
        f"{INRELEASE}: is dated 2026-09-20 14:13 UTC, but the lock was made from one of "
        "2026-09-21 14:13 UTC: an old index is being replayed; use a mirror that is up to date, "
        "or start from no lock and an empty store if going back is meant"
    )


def test_a_refused_index_is_not_remembered_as_seen(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE], date=DATE + DAY, signing=Signing.STRANGER)
    said(TrustError, store)
    archive.publish([BASE])
    assert names(lock(store)) == ["base-files 1.0 base"]


def test_the_index_of_another_suite(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE])
    archive.publish_suite("debian", "trixie", ALWAYS, says="sid")
    assert said(TrustError, store) == (
        f"{INRELEASE}: is the index of 'sid', not of 'trixie'; use another mirror"
    )


def test_an_architecture_that_the_archive_lacks(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE], architectures=("amd64",))
    assert said(NetworkError, store, platforms=("linux/amd64", "linux/arm64")) == (
        f"{INRELEASE}: lists no main/binary-arm64/Packages; "
        "leave this platform out of image.yaml or use another base"
    )


def test_a_flipped_byte_in_the_package_index(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE])
    for copy in archive.index():
        good = hashlib.sha256(copy.read_bytes()).hexdigest()
        flip(copy, 40)
        bad = hashlib.sha256(copy.read_bytes()).hexdigest()
    url = f"{archive.url}/debian/dists/trixie/main/binary-amd64/by-hash/SHA256/{good}"
    assert said(NetworkError, store) == (
        f"debian: dists/trixie/main/binary-amd64/Packages.xz: its sha256 is {bad}, not {good} ('{url}'); "
        "the copy there is damaged or another file: use another mirror"
    )


def test_a_package_index_that_is_gone(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE], by_hash=False)
    archive.index()[0].unlink()
    assert said(GoneError, store) == (
        "debian: dists/trixie/main/binary-amd64/Packages.xz: not found at "
        f"'{archive.url}/debian/dists/trixie/main/binary-amd64/Packages.xz' (status 404); "
        "lock again to take what the mirror has now"
    )


def test_no_index_at_all(archive: LocalArchive, store: Store) -> None:
    assert said(NetworkError, store) == (
        f"{INRELEASE}: not found at '{archive.url}/debian/dists/trixie/InRelease' (status 404); "
        "check the mirror's URL"
    )


def test_a_flipped_byte_in_a_package(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE, LIB, APP])
    made = lock(store, "app")
    flip(archive.file(LIB), 200)
    good, bad = (hashlib.sha256(data).hexdigest() for data in (LIB.build(), archive.file(LIB).read_bytes()))
    assert fetch_said(NetworkError, store, made) == (
        f"lib_2.0_all.deb: its sha256 is {bad}, not {good} ('{archive.url}/debian/{LIB.path}'); "
        "the copy there is damaged or another file: use another mirror"
    )
    assert not store.has(good)
    assert not store.has(bad)


def test_packages_that_are_gone_are_all_named(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE, LIB, APP])
    made = lock(store, "app")
    archive.file(LIB).unlink()
    archive.file(APP).unlink()
    assert fetch_said(GoneError, store, made).splitlines() == [
        f"{Path(deb.path).name}: not found at '{archive.url}/debian/{deb.path}' (status 404); "
        "lock again to take what the mirror has now"
        for deb in (APP, LIB)
    ]
    assert store.has(hashlib.sha256(BASE.build()).hexdigest())


def test_relations_that_nothing_meets(archive: LocalArchive, store: Store) -> None:
    archive.publish([BASE, dataclasses.replace(LIB, version="1.0"), APP])
    assert said(ResolveError, store, "app", "libb") == (
        "image -> libb: no such package in debian/trixie for amd64; did you mean 'lib'?\n"
        "image -> app -> lib (>= 2): debian/trixie for amd64 has only lib 1.0; "
        "leave 'app' out, or use another base"
    )
