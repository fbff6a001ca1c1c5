"""Variants of an image: images of their own by the name of both, described in one file."""

from pathlib import Path

import pytest

from builder.config.plan import lock_profile, make_plan
from builder.config.workspace import Source, Workspace
from builder.controls.catalogue import BY_KEY
from builder.errors import InputError
from builder.model.plan import Plan
from builder.resources import data_folder
from builder.show import listing, listing_text, plan_data, plan_text
from tests.unit.config.cases import CATALOGUE, SOUND, TODAY

TORCH = """description: Trains
base: debian/trixie
python: {version: "3.13", requirements: [torch]}
entrypoint: [python3]
env: {A: "1", B: "2"}
ports: [8000]
healthcheck: {command: [python3, /x.py], interval: 60}
variants:
  jit:
    description: Trains and compiles
    python: {requirements: [torch, triton]}
    env: {B: "3", C: "4"}
    ports: [1, 2]
    healthcheck: {timeout: 9}
  12: {gpu: {vendor: nvidia, cuda: "12"}}
"""


@pytest.fixture
def team(tmp_path: Path) -> Path:
    write(tmp_path, "torch", TORCH)
    return tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    made = folder / "images" / name
    made.mkdir(parents=True)
    (made / "image.yaml").write_text(text)
    return made


def workspace(*folders: Path) -> Workspace:
    return Workspace((*folders, SOUND), folders[0])


def planned(folder: Path, name: str, profile: str = "bank") -> Plan:
    return make_plan(workspace(folder), name, profile, CATALOGUE, TODAY)


def test_a_variant_is_the_image_with_what_differs(team: Path) -> None:
    plain, jit = planned(team, "torch").spec, planned(team, "torch-jit").spec
    assert plain.python is not None
    assert jit.python is not None
    assert (plain.python.requirements, jit.python.requirements) == (("torch",), ("torch", "triton"))
    assert jit.python.version == "3.13"
    assert (plain.env, jit.env) == ({"A": "1", "B": "2"}, {"A": "1", "B": "3", "C": "4"})
    assert jit.ports == (1, 2)
    assert jit.healthcheck is not None
    assert (jit.healthcheck.interval, jit.healthcheck.timeout) == (60, 9)
    assert (plain.description, jit.description) == ("Trains", "Trains and compiles")
    assert jit.variants == {}


def test_a_variant_shares_the_image_s_folder_and_has_a_name_of_its_own(team: Path) -> None:
    jit = planned(team, "torch-jit")
    assert (jit.image, jit.variant, jit.variant_of) == ("torch-jit", "jit", "torch")
    assert jit.folder == team / "images/torch"
    assert planned(team, "torch").variant_of == ""


def test_a_variant_s_name_may_be_a_number(team: Path) -> None:
    gpu = planned(team, "torch-12").spec.gpu
    assert gpu is not None
    assert gpu.cuda == "12"


def test_images_and_their_variants_are_listed_by_name(team: Path) -> None:
    folder = team / "images/torch"
    assert workspace(team).images() == {
        "app": Source(folder=SOUND / "images/app"),
        "torch": Source(folder=folder),
        "torch-12": Source(folder=folder, variant="12"),
        "torch-jit": Source(folder=folder, variant="jit"),
    }


def test_list_says_what_a_variant_is_of(team: Path) -> None:
    found = listing(Workspace((team,), team))
    assert [(row["name"], row["variant-of"]) for row in found["images"]] == [
        ("torch", None),
        ("torch-12", "torch"),
        ("torch-jit", "torch"),
    ]
    assert listing_text(found).splitlines()[1:4] == [
        "  torch      Trains",
        "  torch-12   Trains (variant of torch)",
        "  torch-jit  Trains and compiles (variant of torch)",
    ]


def test_plan_says_what_a_variant_is_of(team: Path) -> None:
    here = Workspace((team, data_folder()), team)
    jit, plain = (make_plan(here, name, "hardened", BY_KEY, TODAY) for name in ("torch-jit", "torch"))
    lines = plan_text(jit).splitlines()[:2]
    assert [line.split(maxsplit=1) for line in lines] == [
        ["image", "torch-jit: Trains and compiles"],
        ["variant", "jit of torch"],
    ]
    assert "\nvariant " not in plan_text(plain)
    assert [plan_data(one)["variant-of"] for one in (jit, plain)] == ["torch", None]
    assert "variants" not in plan_data(plain)["spec"]


def test_locks_lie_side_by_side_and_no_profile_s_is_taken_for_a_variant_s(team: Path) -> None:
    here, folder = workspace(team), team / "images/torch"
    assert here.lock_target("torch") == folder / "image.lock.json"
    assert here.lock_target("torch", "jit") == folder / "image.jit.lock.json"
    assert here.lock_target("torch-jit") == here.lock_path("torch-jit") == folder / "image-jit.lock.json"
    assert here.lock_target("torch-jit", "dev") == folder / "image-jit.dev.lock.json"


def test_what_a_profile_adds_gives_a_variant_a_lock_of_its_own(team: Path) -> None:
    (team / "profiles").mkdir()
    (team / "profiles/shell.yaml").write_text("title: x\npackages: [dash]\n")
    assert lock_profile(planned(team, "torch-jit", "shell")) == "shell"


def test_the_lock_of_a_variant_is_read_from_the_working_directory_first(team: Path, tmp_path: Path) -> None:
    here = Workspace((team,), tmp_path / "elsewhere")
    own = tmp_path / "elsewhere/images/torch/image-jit.lock.json"
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    assert here.lock_path("torch-jit") == own


def test_a_misspelt_variant(team: Path) -> None:
    with pytest.raises(InputError) as caught:
        planned(team, "torch-jt")
    assert str(caught.value) == "image 'torch-jt': unknown image; did you mean 'torch-jit'?"


def test_an_image_that_hides_another_hides_its_variants_too(team: Path, tmp_path: Path) -> None:
    nearer = tmp_path / "nearer"
    write(nearer, "torch", TORCH.partition("variants:")[0])
    assert set(workspace(nearer, team).images()) == {"app", "torch"}


def test_an_image_wins_visibly_over_a_variant_of_a_farther_one(
    team: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nearer = tmp_path / "nearer"
    write(nearer, "torch-jit", TORCH.partition("variants:")[0])
    monkeypatch.chdir(tmp_path)
    here = workspace(nearer, team)
    assert here.image("torch-jit") == Source(folder=nearer / "images/torch-jit")
    assert [str(one) for one in here.overridden()] == [
        "image 'torch-jit': nearer/images/torch-jit/image.yaml wins over images/torch/image.yaml"
    ]
    assert here.clashes() == []


def test_a_variant_with_another_image_s_name_is_refused_whichever_is_asked_for(
    team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(team, "torch-jit", TORCH.partition("variants:")[0])
    monkeypatch.chdir(team)
    said = (
        "images/torch/image.yaml:9: variants.jit: its image is 'torch-jit', a name that "
        "images/torch-jit/image.yaml has already; rename one of them"
    )
    for name in ("torch", "torch-jit"):
        with pytest.raises(InputError) as caught:
            planned(team, name)
        assert str(caught.value) == said
    with pytest.raises(InputError) as caught:
        listing(workspace(team))
    assert str(caught.value) == said


def test_two_variants_with_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = TORCH.partition("variants:")[0]
    write(tmp_path, "a", plain + "variants: {b-c: {ports: [1]}}\n")
    write(tmp_path, "a-b", plain + "variants: {c: {ports: [2]}}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        planned(tmp_path, "a-b-c")
    assert str(caught.value) == (
        "images/a-b/image.yaml:8: variants.c: its image is 'a-b-c', a name that "
        "images/a/image.yaml gives its variant 'b-c' already; rename one of them"
    )


def test_of_other_images_no_file_is_read_for_one(team: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "builder.config.workspace.variant_lines", lambda path: asked.append(path.parent.name) or {}
    )
    workspace(team).image("torch")
    assert asked == ["torch"]


def test_a_file_that_is_no_yaml_has_no_variants(team: Path) -> None:
    write(team, "broken", "variants: [")
    assert set(workspace(team).images()) == {"app", "broken", "torch", "torch-12", "torch-jit"}
