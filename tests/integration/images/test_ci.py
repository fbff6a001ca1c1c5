"""The shell lines of docs/ci.md as a runner would run them; only the installation is left out."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree

import pytest

from tests.integration.images.desk import NOT_PASSED_ON, TEMPER, Build, Desk
from tests.snippets import PAGE, shell_lines, snippets

SH = re.compile(r"```sh\n((?:.*\n)*?)```\n")
AS_SOMEBODY = ("-c", "user.name=test", "-c", "user.email=test@localhost")
pytestmark = [pytest.mark.network, pytest.mark.docker]


@pytest.fixture
def runner(desk: Desk, build: Build, tmp_path: Path) -> Path:
    """A checkout whose lock is current."""
    build("python")
    for name in ("images", "profiles"):
        shutil.copytree(desk.folder / name, tmp_path / name)
    return tmp_path


def run(
    folder: Path, *command: str, programs: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """`pip` and `pipx` do nothing, `programs` are such texts; `temper` is this one."""
    place = folder / ".programs"
    place.mkdir(exist_ok=True)
    for name, text in {"pip": "", "pipx": "", **programs}.items():
        (place / name).write_text(f"#!/bin/sh\n{text}\n")
        (place / name).chmod(0o755)
    if not (place / "temper").exists():
        (place / "temper").symlink_to(TEMPER)
    kept = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
    env = {**kept, "PATH": f"{place}:{kept['PATH']}", "TEMPER": "temper.whl"}
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
    """The table says what moved, and the proposal is only made where something did."""
    for folder in (runner / "images").iterdir():
        if folder.name not in ("python", "templates"):
            shutil.rmtree(folder)
    proposal = runner / ".github/propose.sh"
    proposal.parent.mkdir()
    proposal.write_text('touch "proposed.$1"\n')
    before = (runner / "images/python/image.lock.json").read_bytes()
    done = in_shell(runner, "Every night")
    assert done.returncode == 0, done.stderr
    assert (runner / "moved.txt").read_text().startswith("images/python/image.lock.json: ")
    moved = (runner / "images/python/image.lock.json").read_bytes() != before
    assert (runner / "proposed.moved.txt").exists() == moved


def test_the_proposal(runner: Path) -> None:
    """To a remote, with a stand-in for GitHub's client; a second night writes over the first."""
    far = runner / "far.git"
    script = [text for text in SH.findall(PAGE.read_text()) if "gh pr" in text]
    (runner / "propose.sh").write_text(script[0])
    for words in (
        ("init", "-q", "--bare", str(far)),
        ("init", "-q"),
        ("remote", "add", "origin", str(far)),
        ("add", "images"),
        (*AS_SOMEBODY, "commit", "-qm", "before"),
    ):
        subprocess.run(["git", *words], cwd=runner, check=True, capture_output=True)
    (runner / "moved.txt").write_text("the table\n")
    for night in ("one", "two"):
        (runner / "images/python/image.lock.json").write_text(night)
        done = run(runner, "bash", "propose.sh", "moved.txt", programs={"gh": 'echo "$*" >> asked; exit 1'})
        assert done.returncode == 1, done.stderr
    asked = (runner / "asked").read_text().splitlines()
    assert asked[-1] == "pr create --head locks --title Newer packages --body-file body.md"
    shown = ["git", f"--git-dir={far}", "show", "locks:images/python/image.lock.json"]
    assert subprocess.run(shown, check=True, capture_output=True, text=True).stdout == "two"
    assert (runner / "body.md").read_text() == "```\nthe table\n```\n"
