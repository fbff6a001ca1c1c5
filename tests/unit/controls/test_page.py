"""docs/controls.md is what the catalogue says, and leaves no control out."""

import pytest

from builder.controls.catalogue import CATALOGUE
from builder.controls.frame import AnyControl
from builder.controls.page import FAMILIES
from tests.golden import PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("control", CATALOGUE, ids=lambda control: control.key)
def test_every_control_is_told_once(control: AnyControl) -> None:
    assert page().count(f"\n### {control.key}\n") == 1


def test_every_family_has_controls() -> None:
    modules = {type(control).__module__.rpartition(".")[2] for control in CATALOGUE}
    assert modules == {name for names in FAMILIES.values() for name in names}
