from pathlib import Path

import pytest

from builder import resources
from builder.config import workspace as rooms
from builder.config.workspace import Source, Workspace
from builder.errors import InputError, ToolError


def image(folder: Path, name: str) -> Path:
    made = folder / "images" / name
    made.mkdir(parents=True)
    (made / "image.yaml").write_text("")
    return made


def profile(folder: Path, name: str) -> Path:
    made = folder / "profiles" / f"{name}.yaml"
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_text("")
    return made


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


@pytest.fixture
def built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for the data of an installed package."""
    folder = tmp_path / "site" / "_data"
    image(folder, "python")
    (folder / "images" / "templates").mkdir()
    profile(folder, "hardened")
    monkeypatch.setattr(rooms, "data_folder", lambda: folder)
    monkeypatch.setattr(rooms, "installed_folder", lambda: folder)
    return folder


def test_folder_without_images_or_profiles_sees_what_is_built_in(own: Path, built_in: Path) -> None:
    here = Workspace.here(own)
    assert here.folders == (built_in,)
    assert here.images() == {"python": Source(folder=built_in / "images" / "python")}
    assert here.profiles() == {"hardened": built_in / "profiles" / "hardened.yaml"}


def test_own_folder_comes_first_and_says_what_it_hides(
    own: Path, built_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, hardened = image(own, "app"), profile(own, "hardened")
    here = Workspace.here(own)
    assert here.folders == (own, built_in)
    assert here.images() == {
        "app": Source(folder=app),
        "python": Source(folder=built_in / "images" / "python"),
    }
    assert here.profile("hardened") == hardened
    monkeypatch.chdir(own)
    assert [str(each) for each in here.overridden()] == [
        f"profile 'hardened': profiles/hardened.yaml wins over {built_in}/profiles/hardened.yaml"
    ]


def test_the_checkout_is_not_seen_twice(built_in: Path) -> None:
    assert Workspace.here(built_in).folders == (built_in,)


def test_nothing_is_overridden_in_the_checkout(built_in: Path) -> None:
    assert Workspace.here(built_in).overridden() == ()


def test_lock_of_a_built_in_image_goes_to_the_working_directory(own: Path, built_in: Path) -> None:
    here = Workspace.here(own)
    assert here.lock_target("python") == own / "images" / "python" / "image.lock.json"
    assert here.lock_target("python", "dev") == own / "images" / "python" / "image.dev.lock.json"


def test_lock_is_read_from_the_working_directory_first(own: Path, built_in: Path) -> None:
    here = Workspace.here(own)
    assert here.lock_path("python") == built_in / "images" / "python" / "image.lock.json"
    target = here.lock_target("python")
    target.parent.mkdir(parents=True)
    target.write_text("{}")
    assert here.lock_path("python") == target


def test_folder_that_holds_only_locks_is_no_image(own: Path, built_in: Path) -> None:
    (own / "images" / "python").mkdir(parents=True)
    assert Workspace.here(own).image("python").folder == built_in / "images" / "python"


def test_lock_of_an_own_image_stands_beside_it(own: Path, built_in: Path) -> None:
    app = image(own, "app")
    here = Workspace.here(own)
    assert here.lock_path("app") == here.lock_target("app") == app / "image.lock.json"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pyton", "image 'pyton': unknown image; did you mean 'python'?"),
        ("templates", "image 'templates': unknown image; there are: python"),
    ],
)
def test_unknown_image(own: Path, built_in: Path, name: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        Workspace.here(own).image(name)
    assert str(caught.value) == said


def test_unknown_profile(own: Path, built_in: Path) -> None:
    with pytest.raises(InputError) as caught:
        Workspace.here(own).profile("hardned")
    assert str(caught.value) == "profile 'hardned': unknown profile; did you mean 'hardened'?"


def test_file_with_the_short_ending(own: Path, built_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own / "profiles").mkdir()
    (own / "profiles" / "bank.yml").write_text("")
    monkeypatch.chdir(own)
    with pytest.raises(InputError) as caught:
        Workspace.here(own).profile("bank")
    assert str(caught.value) == "profiles/bank.yml: temper reads '.yaml'; rename it to 'bank.yaml'"


@pytest.mark.parametrize("name", ["My_App", "app-", "x" * 51])
def test_name_that_no_engine_takes(
    own: Path, built_in: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image(own, name)
    monkeypatch.chdir(own)
    with pytest.raises(InputError) as caught:
        Workspace.here(own).image(name)
    rule = "lower-case letters, digits and '-', 50 characters at most"
    assert str(caught.value) == f"images/{name}/image.yaml: '{name}' can't be a name; rename it: {rule}"


def test_data_of_the_checkout() -> None:
    folder = resources.data_folder()
    assert (folder / "pyproject.toml").is_file()
    assert resources.suites_folder() == folder / "tests" / "suites"
    assert resources.templates_folder() == folder / "images" / "templates"


def test_data_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("images", "profiles", "suites"):
        (tmp_path / "builder" / "_data" / name).mkdir(parents=True)
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "builder")
    assert resources.data_folder() == tmp_path / "builder" / "_data"
    assert resources.suites_folder() == tmp_path / "builder" / "_data" / "suites"


def test_incomplete_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "builder")
    with pytest.raises(ToolError) as caught:
        resources.data_folder()
    said = "the built-in images and profiles are missing; install temper again"
    assert str(caught.value) == f"{tmp_path}/builder: {said}"
