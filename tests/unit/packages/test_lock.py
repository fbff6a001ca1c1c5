import json
from pathlib import Path
from typing import Any

import pytest

from builder.errors import LockError
from builder.model.lock import Lock, LockedIndex, LockedPackage, LockedPlatform, LockedWheel
from builder.packages.lock import differences, lock_text, package_downloads, package_url, read_lock

SHA = "ab" * 32
MEND = "restore it from version control, or delete it and run `temper lock`"


def package(name: str = "libc6", version: str = "2.41-12", **changes: Any) -> LockedPackage:
    return LockedPackage.model_validate(
        {
            "name": name,
            "version": version,
            "architecture": "amd64",
            "archive": "debian",
            "path": f"pool/main/{name}_{version}_amd64.deb",
            "size": 7,
            "sha256": SHA,
            "because": "image",
            **changes,
        }
    )


def wheel(name: str, version: str) -> LockedWheel:
    return LockedWheel(name=name, version=version, filename=f"{name}.whl", size=3, sha256=SHA)


def lock(*packages: LockedPackage, **platforms: LockedPlatform) -> Lock:
    index = LockedIndex(
        archive="debian", suite="trixie", date=1, valid_until=None, sha256=SHA, signed_by=("F" * 40,)
    )
    return Lock(
        inputs=f"sha256:{SHA}",
        base="debian/trixie",
        date=1,
        indexes=(index,),
        platforms=platforms or {"linux/amd64": LockedPlatform(packages=packages)},
    )


def test_text_and_back(tmp_path: Path) -> None:
    path = tmp_path / "image.lock.json"
    made = lock(package(), package("libstdc++6", "14~2"))
    path.write_text(lock_text(made))
    assert read_lock(path) == made


def test_the_text_is_sorted_indented_and_ends_with_a_newline() -> None:
    text = lock_text(lock(package()))
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    assert '"schema-version": 1' in text
    assert '"valid-until": null' in text


def said(tmp_path: Path, text: bytes) -> str:
    path = tmp_path / "image.lock.json"
    path.write_bytes(text)
    with pytest.raises(LockError) as raised:
        read_lock(path)
    return str(raised.value).replace(str(path), "LOCK")


def test_a_lock_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LockError) as raised:
        read_lock(tmp_path / "image.lock.json")
    assert str(raised.value) == f"{tmp_path}/image.lock.json: no such lock; run `temper lock` to make it"


def test_a_lock_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(LockError) as raised:
        read_lock(tmp_path)
    assert str(raised.value) == f"{tmp_path}: can't be read: is a directory"


def damaged(change: tuple[str, str]) -> bytes:
    return lock_text(lock(package())).replace(*change).encode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", f"LOCK:1: is damaged: expecting value; {MEND}"),
        (b'{\n"a": 1,\n}', f"LOCK:3: is damaged: expecting property name enclosed in double quotes; {MEND}"),
        (b'{"base": "\xff"}', f"LOCK: is damaged: not UTF-8 at byte 10; {MEND}"),
        (
            b"[]",
            f"LOCK: lock: is damaged: input should be a valid dictionary or instance of Lock, not []; {MEND}",
        ),
        (
            damaged(('"schema-version": 1', '"schema-version": 2')),
            (
                "LOCK: schema-version: 2 was written by another version of Temper; "
                "use that one, or run `temper lock`"
            ),
        ),
        (
            damaged(('"size": 7', '"size": -7')),
            (
                "LOCK: platforms.linux/amd64.packages.0.size: is damaged: "
                f"input should be greater than 0, not -7; {MEND}"
            ),
        ),
        (
            damaged(('"because"', '"becausf"')),
            (
                f"LOCK: platforms.linux/amd64.packages.0.because: is damaged: is missing; {MEND}\n"
                f"LOCK: platforms.linux/amd64.packages.0.becausf: is damaged: unknown key; {MEND}"
            ),
        ),
        (
            damaged(('"version": "', '"version": "9')),
            f"LOCK: is damaged, or was edited: its checksum doesn't match; {MEND}",
        ),
        (
            damaged(('"checksum"', '"chekcsum"')),
            f"LOCK: chekcsum: is damaged: unknown key; {MEND}",
        ),
    ],
)
def test_a_damaged_lock(tmp_path: Path, text: bytes, message: str) -> None:
    assert said(tmp_path, text) == message


def test_a_path_that_climbs_out_is_refused(tmp_path: Path) -> None:
    assert "packages.0.path: is damaged: " in said(tmp_path, damaged(("pool/main/", "../main/")))


def test_differences() -> None:
    old = lock(package("a", "1"), package("b", "1"), package("c", "1"), package("same"))
    new = lock(package("a", "2"), package("b", "1", sha256="cd" * 32), package("d", "4"), package("same"))
    assert differences(old, new) == (
        "a 1 -> 2",
        "b 1 rebuilt: same version, other content",
        "c 1 removed",
        "d 4 added",
    )


def test_differences_of_wheels_and_of_one_platform_only() -> None:
    before = LockedPlatform(packages=(package("a", "1"),), wheels=(wheel("numpy", "2.0"),))
    after = LockedPlatform(packages=(package("a", "2"),), wheels=(wheel("numpy", "2.1"),))
    arm = LockedPlatform(packages=(package("a", "2"),), wheels=(wheel("numpy", "2.0"),))
    old = lock(**{"linux/amd64": before, "linux/arm64": before})
    new = lock(**{"linux/amd64": after, "linux/arm64": arm})
    assert differences(old, new) == ("a 1 -> 2", "numpy 2.0 -> 2.1 (linux/amd64)")


def test_no_differences() -> None:
    assert differences(lock(package()), lock(package())) == ()


def test_the_url_of_a_package_is_quoted() -> None:
    odd = package(path="pool/main/g/gcc/libstdc++6_1%3a2~rc1+b1_amd64.deb")
    assert package_url("http://mirror.example.test/debian", odd.path) == (
        "http://mirror.example.test/debian/pool/main/g/gcc/libstdc++6_1%253a2~rc1+b1_amd64.deb"
    )


def test_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPER_MIRROR_DEBIAN", "http://mirror.example.test/debian/")
    (one,) = package_downloads([package()])
    assert (one.url, one.sha256, one.size, one.name) == (
        "http://mirror.example.test/debian/pool/main/libc6_2.41-12_amd64.deb",
        SHA,
        7,
        "libc6_2.41-12_amd64.deb",
    )
