"""What our own look at a Dockerfile finds, the linter finds too, by the rule that is named."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.controls.mutant import Mutant
from tests.unit.controls.mutants import MUTANTS
from tests.unit.controls.sound import definition

HADOLINT = Path(sys.executable).parent / "hadolint"
RULE = re.compile(r"\((DL[0-9]{4})\)")
NAMED = [(mutant, match[1]) for mutant in MUTANTS if (match := RULE.search(mutant.message)) is not None]


def found(text: str, folder: Path) -> set[str]:
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text(text)
    command = [HADOLINT, "--format", "json", "--failure-threshold", "style", dockerfile]
    done = subprocess.run(command, capture_output=True, cwd=folder, env={"HOME": str(folder)}, check=False)
    return {row["code"] for row in json.loads(done.stdout)}


def test_there_are_mutants_for_most_rules() -> None:
    assert len({rule for _, rule in NAMED}) >= 8


@pytest.mark.parametrize(("mutant", "rule"), NAMED, ids=str)
def test_the_linter_finds_it_by_that_rule(mutant: Mutant, rule: str, tmp_path: Path) -> None:
    text = mutant.run(definition()).file("Dockerfile").text
    assert rule in found(text, tmp_path)


def test_the_linter_finds_nothing_in_a_sound_one(tmp_path: Path) -> None:
    assert found(definition().file("Dockerfile").text, tmp_path) == set()
