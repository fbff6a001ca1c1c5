"""The snippets of docs/ci.md: short, well-formed, and made of commands that `temper` has."""

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from builder.cli import cli
from tests.snippets import SNIPPETS, shell_lines, snippets

PAGE = Path(__file__).parents[2] / "docs" / "ci.md"


def test_there_is_one_for_each() -> None:
    assert tuple(snippets()) == SNIPPETS


@pytest.mark.parametrize("name", SNIPPETS)
def test_it_has_less_than_twenty_lines(name: str) -> None:
    assert len(snippets()[name].splitlines()) < 20


@pytest.mark.parametrize("name", SNIPPETS)
def test_temper_knows_its_commands(name: str) -> None:
    """Parsed by the command's own parser: every option and every choice."""
    called = [line for line in shell_lines(name) if line.startswith("temper ")]
    assert {shlex.split(line)[1] for line in called} >= ({"lock"} if "night" in name else {"build"})
    for line in called:
        words = shlex.split(re.sub(r" (>|\|\|) .*", "", line))[1:]
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None
        command.make_context(words[0], words[1:])


def test_github_uploads_what_verify_wrote() -> None:
    steps = yaml.safe_load(snippets()["GitHub Actions"])["jobs"]["python"]["steps"]
    assert steps[-1]["with"]["sarif_file"] == "temper.sarif"
    assert "temper verify python --format sarif > temper.sarif" in shell_lines("GitHub Actions")


def test_gitlab_keeps_the_report_of_a_failing_image() -> None:
    job = yaml.safe_load(snippets()["GitLab CI"])["image"]
    assert job["artifacts"] == {"when": "always", "reports": {"junit": "temper.xml"}}
