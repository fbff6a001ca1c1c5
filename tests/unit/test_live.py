"""Which suites are run for an image, and for a variant of it."""

from dataclasses import replace
from pathlib import Path

from builder.live import suites_of
from tests.unit.verify.parts import make_plan


def suites(folder: Path, variant: str = "") -> list[str]:
    plan = replace(make_plan(), folder=folder, variant=variant)
    return [path.name for path in suites_of(plan)[1:]]


def test_a_variant_has_tests_of_its_own_besides(tmp_path: Path) -> None:
    for name in ("tests", "tests-jit"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "test_it.py").write_text("")
    assert suites(tmp_path) == ["tests"]
    assert suites(tmp_path, "jit") == ["tests", "tests-jit"]
    assert suites(tmp_path, "other") == ["tests"]


def test_a_folder_without_tests_is_no_suite(tmp_path: Path) -> None:
    (tmp_path / "tests/state").mkdir(parents=True)
    assert suites(tmp_path) == []
