"""A real image out of a bundle, where there is no network, no home and no store: all of it the same."""

import filecmp
import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.images.desk import TEMPER, Build, Desk

pytestmark = pytest.mark.network

IMAGE = "onnx-inference"
"""It has wheels, files of its own, and byte code that its own Python compiles."""
CUT_OFF = ("unshare", *(() if os.geteuid() == 0 else ("--map-current-user",)), "--net")
PARTS = ("oci", "definition", "sbom", "provenance.json")


@pytest.fixture
def far(tmp_path: Path) -> Path:
    done = subprocess.run([*CUT_OFF, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no namespace of its own here: {done.stderr.strip()}")
    (tmp_path / "far").mkdir()
    return tmp_path / "far"


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_a_build_without_network(desk: Desk, build: Build, far: Path, platform: str) -> None:
    built = build(IMAGE, platform=platform)
    bundle = far.parent / "bundle.tar"
    desk.temper("bundle", IMAGE, "--locked", "--platform", platform, "-o", bundle)
    words = ["build", IMAGE, "--platform", platform, "--bundle", bundle, "--engine", "none", "-o", "built"]
    done = subprocess.run(
        [*CUT_OFF, TEMPER, *words],
        cwd=far,
        env={"PATH": os.environ["PATH"], "HOME": str(far / "home"), "TMPDIR": str(far)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "compiling byte code\n" in done.stderr
    assert files(far / "built") == files(built.folder)
    _, different, unread = filecmp.cmpfiles(far / "built", built.folder, files(built.folder), shallow=False)
    assert (different, unread) == ([], [])


def files(folder: Path) -> list[str]:
    found = (path for part in PARTS for path in (folder / part, *(folder / part).rglob("*")))
    return sorted(str(path.relative_to(folder)) for path in found if path.is_file())
