"""Temper as people install it: from its wheel, in an environment of its own, far from the checkout."""

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
import uv

from builder.image.engine import Engine
from builder.packages.pip_settings import uv_environment
from tests.integration.images.desk import CHECKOUT, Build, Desk, failures, live_checks

pytestmark = pytest.mark.network

BUILT_IN = {"images": "images", "profiles": "profiles", "suites": "tests/suites"}
"""Folders in the wheel's data, and where they come from."""


def run_uv(*arguments: str | Path) -> None:
    done = subprocess.run(
        [uv.find_uv_bin(), *arguments],
        env=uv_environment(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run_uv("build", "-q", "--wheel", "--no-create-gitignore", "-o", folder, CHECKOUT)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Called in an empty folder, with nothing of this environment on its path."""
    environment = tmp_path_factory.mktemp("installed") / "env"
    run_uv("venv", "-q", environment)
    run_uv("pip", "install", "-q", "--python", environment / "bin/python", wheel)
    folder = tmp_path_factory.mktemp("empty")
    env = {"PATH": os.defpath, "PYTHONPATH": ""}
    return Desk(folder=folder, program=environment / "bin/temper", env=env)


def test_the_wheel_holds_what_it_needs_and_nothing_that_tools_left(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for inside, source in BUILT_IN.items():
        files = (
            path.relative_to(CHECKOUT / source) for path in (CHECKOUT / source).rglob("*") if path.is_file()
        )
        meant = {f"builder/_data/{inside}/{path}" for path in files if "cache" not in str(path)}
        assert meant <= names
    assert {"builder/packages/held.yaml", "builder/verify/prelude.sh"} <= names
    native = {f"builder/gpu/native/{path.name}" for path in (CHECKOUT / "builder/gpu/native").iterdir()}
    assert native <= names
    assert {"builder/gpu/native/probe.c", "builder/gpu/native/stub_cuda.c"} <= native
    assert [name for name in names if "cache" in name.lower() or name.endswith(".pyc")] == []
    tops = {name.partition("/")[0] for name in names}
    assert {"builder" if top.endswith(".dist-info") else top for top in tops} == {"builder"}


def test_it_lists_what_is_built_in(installed: Desk) -> None:
    listing = json.loads(installed.temper("list", "--json"))
    assert {one["name"] for one in listing["images"]} >= {"onnx-inference", "python"}
    assert {one["name"] for one in listing["profiles"]} >= {"baseline", "dev", "hardened"}


def test_it_builds_in_an_empty_folder(installed: Desk) -> None:
    text = installed.temper("build", "python", "--engine", "none")
    assert "written to build/python-hardened-" in text
    [report] = installed.folder.glob("build/python-hardened-*/report.json")
    assert failures(json.loads(report.read_text())) == []
    assert (report.parent / "definition/Dockerfile").is_file()


def test_by_the_same_lock_it_gives_the_same_digest_as_the_checkout(
    installed: Desk, desk: Desk, build: Build, tmp_path: Path
) -> None:
    ours = build("python").report
    place = Desk(folder=tmp_path, program=installed.program, env=installed.env)
    place.lock("python").parent.mkdir(parents=True)
    place.lock("python").write_bytes(desk.lock("python").read_bytes())
    how = ("--engine", "none", "--locked", "--offline", "--json")
    theirs = json.loads(place.temper("build", "python", *how))
    assert theirs["digest"] == ours["digest"]


@pytest.mark.docker
def test_its_suites_run(
    engine: Engine, installed: Desk, build: Build, own_tags: None, tmp_path: Path
) -> None:
    ours = build("python").report
    place = Desk(folder=tmp_path, program=installed.program, env=installed.env)
    theirs = json.loads(place.temper("build", "python", "--verify", "--json"))
    assert failures(theirs) == []
    assert [one["name"] for one in live_checks(theirs)] == [one["name"] for one in live_checks(ours)]
