"""What the README shows of YAML is accepted as it stands there, and its commands exist."""

import re
from datetime import date
from pathlib import Path

import pytest

from builder.cli import cli
from builder.config.plan import make_plan
from builder.config.workspace import Workspace
from builder.controls.catalogue import BY_KEY
from builder.resources import data_folder

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```yaml\n# (\S+\.yaml)\n(.*?)```", README, re.DOTALL))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "images/greeter/app").mkdir()
    (tmp_path / "images/greeter/app/health.py").write_text("")
    return Workspace((tmp_path, data_folder()), tmp_path)


@pytest.mark.parametrize("profile", ["hardened", "bank"])
def test_the_image_and_the_profile_are_planned(workspace: Workspace, profile: str) -> None:
    plan = make_plan(workspace, "greeter", profile, BY_KEY, date(2026, 11, 22))
    assert plan.chain[-1] == "baseline"
    assert {request.name for request in plan.packages} >= {"ca-certificates", "python3.13"}


def test_every_verb_and_target_that_is_shown_exists() -> None:
    verbs = set(re.findall(r"(?:^\$ |run: |`)temper ([a-z]+)", README, re.MULTILINE))
    targets = set(re.findall(r"(?:^\$ |`)make ([a-z]+)", README, re.MULTILINE))
    assert verbs <= set(cli.commands)
    assert all(re.search(rf"^{target}:", MAKEFILE, re.MULTILINE) for target in targets)
    assert {"build", "plan", "verify"} <= verbs
    assert {"image", "test"} <= targets


def test_every_page_that_is_linked_exists() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (Path(__file__).parents[2] / link).is_file(), link
