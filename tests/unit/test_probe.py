"""Where the probe program of images comes from that no lock belongs to."""

from dataclasses import replace
from pathlib import Path

import pytest

from builder import probe
from builder.config.workspace import Workspace
from builder.errors import GoneError, NetworkError
from builder.model.lock import Lock, LockedIndex, LockedPackage, LockedPlatform
from builder.packages.lock import lock_text
from builder.packages.store import Store
from builder.probe import locked_toolboxes, spare_busybox
from builder.progress import Silent
from builder.workplace import Workplace

AMD64 = "linux/amd64"


def package(version: str, sha256: str) -> LockedPackage:
    return LockedPackage(
        name="busybox-static", version=version, architecture="amd64", archive="debian",
        path=f"pool/main/b/busybox_{version}.deb", size=1, sha256=sha256, because="toolbox",
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(
        workspace=Workspace((tmp_path,), tmp_path), store=Store(tmp_path / "store"), progress=Silent()
    )


def locked(place: Workplace, name: str, date: int, *toolbox: LockedPackage, platform: str = AMD64) -> None:
    folder = place.workspace.cwd / "images" / name
    folder.mkdir(parents=True)
    (folder / "image.yaml").write_text("")
    index = LockedIndex(
        archive="debian", suite="trixie", date=date, valid_until=None, sha256="0" * 64, signed_by=("0" * 40,)
    )
    lock = Lock(
        inputs=f"sha256:{'0' * 64}", base="debian/trixie", date=date, indexes=(index,),
        platforms={platform: LockedPlatform(packages=(), toolbox=toolbox)},
    )  # fmt: skip
    (folder / "image.lock.json").write_text(lock_text(lock))


def versions(place: Workplace) -> list[str]:
    return [section.toolbox[0].version for section in locked_toolboxes(place, AMD64)]


def test_what_the_store_has_goes_first_then_what_is_newer(place: Workplace) -> None:
    there = place.store.put(b"x")
    locked(place, "old", 100, package("1", "a" * 64))
    locked(place, "new", 300, package("3", "b" * 64))
    locked(place, "known", 200, package("2", there))
    assert versions(place) == ["2", "3", "1"]


def test_locks_that_have_none_are_passed_over(place: Workplace) -> None:
    locked(place, "none", 100)
    locked(place, "other", 200, package("2", "a" * 64), platform="linux/arm64")
    locked(place, "damaged", 300, package("3", "a" * 64))
    (place.workspace.cwd / "images/damaged/image.lock.json").write_text("{")
    locked(place, "missing", 400, package("4", "a" * 64))
    (place.workspace.cwd / "images/missing/image.lock.json").unlink()
    assert versions(place) == []


def test_one_that_has_left_the_mirror_is_passed_over(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked(place, "old", 100, package("1", "a" * 64))
    locked(place, "new", 300, package("3", "b" * 64))

    def taken(_: Workplace, section: LockedPlatform) -> Path:
        if section.toolbox[0].version == "3":
            raise GoneError("busybox_3.deb: not found")
        return Path(section.toolbox[0].version)

    monkeypatch.setattr(probe, "busybox", taken)
    assert spare_busybox(place, AMD64) == Path("1")


def test_without_any_lock_it_is_todays(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "busybox", lambda _, section: Path(section.toolbox[0].version))
    monkeypatch.setattr("builder.packages.locking.lock_probe", lambda *_: (package("9", "c" * 64),))
    assert spare_busybox(place, AMD64) == Path("9")


def test_offline_it_is_told(place: Workplace) -> None:
    with pytest.raises(NetworkError) as error:
        spare_busybox(replace(place, offline=True), AMD64)
    assert str(error.value) == (
        "--offline: no lock here has busybox-static for linux/amd64; run once without --offline"
    )


def test_offline_what_the_store_lacks_is_told(place: Workplace) -> None:
    locked(place, "one", 100, package("1", "a" * 64))
    with pytest.raises(NetworkError) as error:
        spare_busybox(replace(place, offline=True), AMD64)
    assert str(error.value) == (
        f"offline, and the store '{place.store.root}' lacks 1 of 1 files: busybox_1.deb; "
        "run once without --offline"
    )
