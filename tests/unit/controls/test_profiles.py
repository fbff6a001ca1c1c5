"""The profiles that come along ask for controls that exist, with parameters that fit."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from builder.controls.catalogue import BY_KEY
from builder.model.profile import Profile

FOLDER = Path(__file__).parents[3] / "profiles"
NAMES = ("baseline", "dev", "hardened")
NOT_ASKED_FOR = {
    "max-size": "how large is too large depends on the image",
    "arbitrary-user": "only OpenShift runs images so, and gives up no-root-group for it",
}


def profile(name: str) -> Profile:
    data: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return Profile.model_validate(data)


@pytest.mark.parametrize("name", NAMES)
def test_profile_asks_for_known_controls(name: str) -> None:
    for key, asked in profile(name).controls.items():
        BY_KEY[key].parameters.model_validate({} if asked is True else asked)


def test_hardened_asks_for_all_that_every_image_can_keep_to() -> None:
    asked = profile("baseline").controls.keys() | profile("hardened").controls.keys()
    assert BY_KEY.keys() - asked == NOT_ASKED_FOR.keys()


def test_hardened_and_dev_extend_baseline() -> None:
    assert profile("hardened").extends == profile("dev").extends == "baseline"


def test_baseline_holds_for_a_shell() -> None:
    assert "bash" in profile("dev").packages
    assert not {"no-shell", "lean-tree", "no-privilege-tools"} & profile("baseline").controls.keys()
