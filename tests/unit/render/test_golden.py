"""What the templates render stands in tests/cases/render; `make golden` rewrites it."""

from pathlib import Path

import pytest

from tests.golden import CASES, TOP, golden_files

FILES = dict(golden_files())


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(CASES)) for path in FILES])
def test_the_golden_file_is_what_the_code_renders(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == FILES[path], "run 'make golden' and look at what it changes"


def test_no_golden_file_is_left_over() -> None:
    there = {path for path in CASES.glob("*/expected/**/*") if path.is_file()}
    assert there == set(FILES)


def test_no_golden_file_names_this_machine() -> None:
    assert not [path for path, text in FILES.items() if str(TOP) in text]
