"""The same bytes, whoever builds, wherever, whenever: nothing of the machine gets into an image."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.image.layout import read_layout
from builder.workplace import host_platform
from tests.integration.images.desk import TEMPER, Build, Built, Desk, copy_data

pytestmark = pytest.mark.network

NOBODY = 65534
READS_ALL = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
"""The checkout and its Python may lie in a home folder that is closed to others."""


@pytest.fixture(scope="module")
def somewhere() -> Iterator[Path]:
    """Open to other users, unlike pytest's own temporary folders."""
    with tempfile.TemporaryDirectory(prefix="temper test größe ") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def as_nobody() -> tuple[str, ...]:
    """What makes a command run under another user, with another umask."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root, with setpriv, can run something as another user")
    for capabilities in (READS_ALL, ()):
        prefix = (
            "setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", *capabilities,
            "sh", "-c", 'umask 077; exec "$@"', "sh",
        )  # fmt: skip
        if subprocess.run([*prefix, TEMPER, "--version"], capture_output=True, check=False).returncode == 0:
            return prefix
    pytest.skip(f"another user can't run {TEMPER}")


def elsewhere(folder: Path, desk: Desk, lock: Path) -> Desk:
    """Another person's copy of the same files, with other modes and times, and a store that holds nothing but
    the downloads that the lock names."""
    home, work = folder / "home", folder / "work"
    copy_data(work)
    shutil.copyfile(lock, work / lock.relative_to(desk.folder))
    for path in (work / "images").rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
        os.utime(path, (1, 1))
    blobs = home / "store/blobs/sha256"
    blobs.mkdir(parents=True, mode=0o700)
    ours = Path(desk.temper("store").strip()) / "blobs/sha256"
    for section in json.loads(lock.read_text())["platforms"].values():
        for locked in (*section["packages"], *section["wheels"]):
            if (ours / locked["sha256"]).is_file():
                shutil.copyfile(ours / locked["sha256"], blobs / locked["sha256"])
    env = {
        "HOME": str(home),
        "TEMPER_STORE": str(home / "store"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "TMPDIR": str(home),
        "TZ": "Pacific/Kiritimati",
        "LANG": "tr_TR.UTF-8",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "7",
        "USER": "somebody",
        "HOSTNAME": "elsewhere",
    }
    return Desk(folder=work, env=env)


def give_away(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)


def contents(definition: Path) -> dict[str, tuple[bool, bytes]]:
    """Who may read the files is the umask's matter."""
    return {
        str(path.relative_to(definition)): (bool(path.stat().st_mode & 0o100), path.read_bytes())
        for path in definition.rglob("*")
        if path.is_file()
    }


CASES = [("python", "linux/amd64"), ("python", "linux/arm64"), ("onnx-inference", host_platform())]


@pytest.mark.parametrize(("image", "platform"), CASES)
def test_another_user_elsewhere_with_a_cold_store_gets_the_same_bytes(
    build: Build, desk: Desk, somewhere: Path, as_nobody: tuple[str, ...], image: str, platform: str
) -> None:
    ours = build(image, platform=platform)
    folder = somewhere / f"{image} {platform[-5:]}"
    theirs = elsewhere(folder, desk, desk.lock(image))
    give_away(folder)
    theirs = Desk(folder=theirs.folder, env=theirs.env, prefix=as_nobody)
    output = folder / "home/result"
    how = ("--platform", platform, "--engine", "none", "--locked", "--offline", "--json", "-o", output)
    report = json.loads(theirs.temper("build", image, *how))
    assert (output / "report.json").stat().st_uid == NOBODY
    assert report["digest"] == ours.report["digest"]
    assert contents(output / "definition") == contents(ours.folder / "definition")
    assert contents(output / "sbom") == contents(ours.folder / "sbom")


@pytest.fixture
def python(build: Build) -> Built:
    return build("python")


def digest(desk: Desk, output: Path, **env: str) -> str:
    report = desk.temper("build", "python", "--engine", "none", "--locked", "--json", "-o", output, env=env)
    return str(json.loads(report)["digest"])


def test_the_report_of_a_second_build_is_the_same_too(desk: Desk, python: Built, tmp_path: Path) -> None:
    how = ("build", "python", "--engine", "none", "--locked", "--json", "-o")
    first, second = (desk.temper(*how, tmp_path / name) for name in ("first", "second"))
    assert first == second


def test_source_date_epoch_decides_the_time_and_so_the_digest(
    desk: Desk, python: Built, tmp_path: Path
) -> None:
    dated = {digest(desk, tmp_path / name, SOURCE_DATE_EPOCH="1700000000") for name in ("one", "two")}
    assert len(dated) == 1
    assert python.report["digest"] not in dated
    report = json.loads((tmp_path / "one/report.json").read_text())
    assert report["created"] == "2023-11-14T22:13:20Z"
    tree = read_layout(tmp_path / "one/oci").rootfs
    assert max(entry.mtime for entry in tree.values()) == 1_700_000_000
