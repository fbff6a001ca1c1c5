"""The written definition is a complete build context: the engine makes the same image of it as we do."""

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.image.engine import Engine
from builder.model.image import Image
from tests.integration.images.desk import Build, Desk

pytestmark = [pytest.mark.network, pytest.mark.docker]

Differences = Callable[[Image, Image], list[str]]


@pytest.fixture
def tag(engine: Engine) -> Iterator[str]:
    name = f"temper-test/definition:{secrets.token_hex(4)}"
    yield name
    engine.remove_image(name)


def test_docker_build_gives_the_same_files_and_config(
    engine: Engine, build: Build, differences: Differences, tag: str, tmp_path: Path
) -> None:
    built = build("onnx-inference")
    engine.build(built.folder / "definition", tag)
    assert differences(built.image(), engine.export(tag, tmp_path)) == []


def test_temper_can_have_the_engine_build_it(
    engine: Engine, desk: Desk, build: Build, differences: Differences, own_tags: None, tmp_path: Path
) -> None:
    ours = build("python")
    output = tmp_path / "result"
    report = json.loads(desk.temper("build", "python", "--engine", "docker", "--json", "-o", output))
    assert (report["digest"], report["tag"]) == (ours.report["digest"], "temper/python:hardened")
    theirs = engine.export("temper/python:hardened", tmp_path)
    assert differences(ours.image(), theirs) == []
    assert theirs.config.created != ours.image().config.created, "it is the one that was loaded"
