"""pip's settings reach uv where uv has no index of its own."""

import os
from pathlib import Path

import pytest

from builder.errors import InputError
from builder.packages.pip_settings import pip_settings, uv_environment

INDEX = "https://index.example.test/simple"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a user whose every configuration folder is below the test's."""
    return {"HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": str(tmp_path / "etc")}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_pips_index_becomes_uvs(tmp_path: Path, environment: dict[str, str]) -> None:
    write(
        tmp_path / "home/.config/pip/pip.conf",
        f"[global]\nindex-url = {INDEX}\nextra_index_url =\n  https://a.example.test\n  https://b.example.test\n",
    )
    found = uv_environment(environment)
    assert found["UV_DEFAULT_INDEX"] == INDEX
    assert found["UV_EXTRA_INDEX_URL"] == "https://a.example.test https://b.example.test"
    assert found["UV_PYTHON_DOWNLOADS"] == "never"


def test_the_environment_goes_before_files_and_later_files_before_earlier(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    write(tmp_path / "etc/pip/pip.conf", "[global]\nindex-url = system\ntimeout = 1\nretries = 1\n")
    write(
        tmp_path / "home/.pip/pip.conf", "[global]\nindex-url = user\ntimeout = 2\n[install]\ntimeout = 3\n"
    )
    found = pip_settings({**environment, "PIP_INDEX_URL": INDEX})
    assert (found["index-url"], found["timeout"], found["retries"]) == (INDEX, "3", "1")


def test_a_named_file_goes_last_and_none_can_be_named(tmp_path: Path, environment: dict[str, str]) -> None:
    write(tmp_path / "home/.pip/pip.conf", "[global]\nindex-url = user\n")
    chosen = write(tmp_path / "chosen.conf", "[global]\nindex-url = chosen\n")
    assert pip_settings({**environment, "PIP_CONFIG_FILE": str(chosen)})["index-url"] == "chosen"
    assert "index-url" not in pip_settings({**environment, "PIP_CONFIG_FILE": os.devnull})


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX", "UV_CONFIG_FILE"])
def test_uvs_own_environment_wins(environment: dict[str, str], variable: str) -> None:
    found = uv_environment({**environment, "PIP_INDEX_URL": INDEX, variable: "own"})
    assert found.get("UV_DEFAULT_INDEX") != INDEX


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("home/.config/uv/uv.toml", '[[index]]\nurl = "https://own.example.test"\n'),
        ("etc/uv/uv.toml", 'index-url = "https://own.example.test"\n'),
        ("uv.toml", 'index-url = "https://own.example.test"\n'),
        ("pyproject.toml", '[[tool.uv.index]]\nurl = "https://own.example.test"\n'),
    ],
)
def test_uvs_own_files_win(tmp_path: Path, environment: dict[str, str], file: str, text: str) -> None:
    write(tmp_path / file, text)
    assert "UV_DEFAULT_INDEX" not in uv_environment({**environment, "PIP_INDEX_URL": INDEX})


def test_a_file_of_uv_without_index_changes_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    write(tmp_path / "uv.toml", "native-tls = true\n")
    assert uv_environment({**environment, "PIP_INDEX_URL": INDEX})["UV_DEFAULT_INDEX"] == INDEX


def test_local_folders_are_left_out(environment: dict[str, str]) -> None:
    assert "UV_FIND_LINKS" not in uv_environment({**environment, "PIP_FIND_LINKS": "/wheels"})


def test_a_damaged_file_is_named(tmp_path: Path, environment: dict[str, str]) -> None:
    path = write(tmp_path / "home/.pip/pip.conf", "index-url = x\n")
    with pytest.raises(InputError) as caught:
        pip_settings(environment)
    assert str(caught.value) == (
        f"{path}: is not a configuration file of pip; mend it, or name the index in UV_DEFAULT_INDEX"
    )
