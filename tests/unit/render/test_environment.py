"""Compiled templates are kept beside ours; those that an image brings are compiled each time."""

import sys
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment

from builder.render import environment
from builder.render.environment import OWN, make_environment, render_template


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "templates"
    (folder / "run").mkdir(parents=True)
    (folder / "run/x.j2").write_text("ours {{ who }}")
    monkeypatch.setattr(environment, "templates_folder", lambda: folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return folder


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    compile_template = Environment.compile

    def noted(self: Environment, source: Any, name: Any = None, *rest: Any, **more: Any) -> Any:
        seen.append(name)
        return compile_template(self, source, name, *rest, **more)

    monkeypatch.setattr(Environment, "compile", noted)
    return seen


def test_ours_is_compiled_once(ours: Path, compilations: list[str]) -> None:
    for who in ("a", "b"):
        assert render_template(make_environment(), "run/x.j2", who=who) == f"ours {who}"
    assert compilations == ["run/x.j2"]
    assert len(list((ours / "__pycache__").iterdir())) == 1


def test_ours_that_was_edited_is_compiled_again(ours: Path) -> None:
    render_template(make_environment(), "run/x.j2", who="a")
    (ours / "run/x.j2").write_text("edited {{ who }}")
    assert render_template(make_environment(), "run/x.j2", who="a") == "edited a"


def test_an_images_own_is_kept_nowhere(ours: Path, tmp_path: Path, compilations: list[str]) -> None:
    own = tmp_path / "app"
    own.mkdir()
    (own / "y.j2").write_text('{% include "run/x.j2" %} and theirs')
    for who in ("a", "b"):
        assert render_template(make_environment(own), f"{OWN}/y.j2", who=who) == f"ours {who} and theirs"
    assert compilations == ["y.j2", "run/x.j2", "y.j2"]
    assert [path.name for path in own.iterdir()] == ["y.j2"]
    assert len(list((ours / "__pycache__").iterdir())) == 1


def test_where_we_may_not_write_nothing_is_kept(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(PermissionError()))
    assert render_template(make_environment(), "run/x.j2", who="a") == "ours a"
    assert [path.name for path in ours.iterdir()] == ["run"]
