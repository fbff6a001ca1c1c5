"""The shell lines of docs/ci.md as a runner would run them; only the installation is left out."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.integration.images.desk import NOT_PASSED_ON, TEMPER, Build, Desk
from tests.snippets import shell_lines, snippets

AS_SOMEBODY = ("-c", "user.name=test", "-c", "user.email=test@localhost")
pytestmark = [pytest.mark.network, pytest.mark.docker]


@pytest.fixture
def runner(desk: Desk, build: Build, tmp_path: Path) -> Path:
    """A checkout whose lock is current."""
    build("python")
    for name in ("images", "profiles"):
        shutil.copytree(desk.folder / name, tmp_path / name)
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """`pip` and `pipx` do nothing; `temper` is this one."""
    programs = folder / ".programs"
    programs.mkdir()
    for name in ("pip", "pipx"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    (programs / "temper").symlink_to(TEMPER)
    kept = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
    env = {**kept, "PATH": f"{programs}:{kept['PATH']}", "TEMPER": "temper.whl"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def in_shell(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """As GitHub's runners and GitLab's do: it ends where a line fails."""
    return run(folder, "bash", "-eo", "pipefail", "-c", "\n".join(shell_lines(name)))


def test_github(runner: Path) -> None:
    done = in_shell(runner, "GitHub Actions")
    assert done.returncode == 0, done.stderr
    [ran] = json.loads((runner / "temper.sarif").read_text())["runs"]
    assert ran["results"] == []
    assert ran["properties"]["passed"] is True


def test_gitlab(runner: Path) -> None:
    done = in_shell(runner, "GitLab CI")
    assert done.returncode == 0, done.stderr
    suites = {suite.get("name"): suite for suite in ElementTree.parse(runner / "temper.xml").getroot()}  # noqa: S314
    assert suites["audit"].get("failures") == "0"
    assert "not run" in suites


def test_make(runner: Path) -> None:
    (runner / "Makefile").write_text(snippets()["make"])
    done = run(runner, "make", "TEMPER=temper", "IMAGES=python", "images")
    assert done.returncode == 0, done.stderr
    assert json.loads((runner / "python.sarif").read_text())["runs"][0]["results"] == []


@pytest.mark.parametrize(
    ("name", "report"), [("GitHub Actions", "temper.sarif"), ("GitLab CI", "temper.xml")]
)
def test_a_failing_image_ends_the_job_and_leaves_its_report(runner: Path, name: str, report: str) -> None:
    """A rule that the image can't keep: it is found by the audit, and the report is there to be uploaded."""
    profile = runner / "profiles" / "hardened.yaml"
    profile.write_text(
        profile.read_text().replace("controls:\n", "controls:\n  max-size: {megabytes: 1}\n", 1)
    )
    done = in_shell(runner, name)
    assert done.returncode == 1, done.stderr
    assert "max-size" in (runner / report).read_text()


def test_every_night(runner: Path) -> None:
    """The table says what `temper lock` then does, and the proposal is only made where something moved."""
    proposal = runner / ".github/propose.sh"
    proposal.parent.mkdir()
    proposal.write_text('touch "proposed.$1"\n')
    for words in (("init", "-q"), ("add", "images"), (*AS_SOMEBODY, "commit", "-qm", "before")):
        subprocess.run(["git", *words], cwd=runner, check=True, capture_output=True)
    done = in_shell(runner, "Every night")
    assert done.returncode == 0, done.stderr
    table = (runner / "newer.txt").read_text()
    assert table.startswith("python: locked on ")
    moved = "nothing newer" not in table
    assert (runner / "proposed.newer.txt").exists() == moved
