"""The profiles that come along ask for controls that exist, with parameters that fit."""

from pathlib import Path

import pytest

from builder.config.parse import parse_profile
from builder.controls.catalogue import BY_KEY
from builder.model.profile import Profile

FOLDER = Path(__file__).parents[3] / "profiles"
NAMES = ("baseline", "dev", "hardened", "kubernetes", "stig")
NOT_ASKED_FOR = {
    "max-size": "how large is too large depends on the image",
    "recent-build": "how old is too old is the firm's to say; a checkout must build years later",
    "signed-image": "an image for a registry of one's own machine needs no signature",
    "arbitrary-user": "only OpenShift runs images so, and gives up no-root-group for it",
}


def profile(name: str) -> Profile:
    return parse_profile(FOLDER / f"{name}.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_profile_asks_for_known_controls(name: str) -> None:
    for key, asked in profile(name).controls.items():
        off = isinstance(asked, dict) and "off" in asked
        BY_KEY[key].parameters.model_validate({} if asked is True or off else asked)


def test_hardened_asks_for_all_that_every_image_can_keep_to() -> None:
    asked = profile("baseline").controls.keys() | profile("hardened").controls.keys()
    assert BY_KEY.keys() - asked == NOT_ASKED_FOR.keys()


def test_hardened_and_dev_extend_baseline() -> None:
    assert profile("hardened").extends == profile("dev").extends == "baseline"


def test_baseline_holds_for_a_shell() -> None:
    assert "bash" in profile("dev").packages
    assert not {"no-shell", "lean-tree", "no-privilege-tools"} & profile("baseline").controls.keys()


FROM_FILES = ("DISA General Purpose", "DISA Container Image", "DISA Container Platform")


def test_stig_asks_by_name_for_every_control_of_its_family() -> None:
    wanted = {
        control.key
        for control in BY_KEY.values()
        if any(reference.standard.startswith(FROM_FILES) for reference in control.references)
    }
    assert wanted - profile("stig").controls.keys() == {"max-size", "recent-build"}


def test_no_profile_claims_a_certification() -> None:
    for name in NAMES:
        words = f"{profile(name).title} {profile(name).description}".lower()
        assert "certified" not in words
        assert "compliant" not in words


def test_kubernetes_gives_up_one_control_and_says_why() -> None:
    off = {key: asked["off"] for key, asked in profile("kubernetes").controls.items() if "off" in str(asked)}
    assert off.keys() == {"no-root-group"}
