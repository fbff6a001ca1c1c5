"""The image `cuda-runtime` on a real GPU. No machine of our CI has one: skipped there, and never passed."""

import json
from pathlib import Path

import pytest

from builder.errors import ToolError
from builder.gpu.host import host_gpus
from builder.image.engine import Engine
from tests.integration.images.desk import Build, Desk

pytestmark = [pytest.mark.network, pytest.mark.gpu]


@pytest.fixture(scope="module", autouse=True)
def _gpu() -> None:
    try:
        host_gpus()
    except ToolError as error:
        pytest.skip(str(error))


@pytest.mark.docker
def test_by_the_engine(engine: Engine, build: Build, desk: Desk) -> None:
    build("cuda-runtime")
    report = json.loads(desk.temper("verify", "cuda-runtime", "--gpu", "all", "--format", "json"))
    assert [one for one in report["gpu"] if one["outcome"] == "failed"] == []
    assert computed(report["gpu"])


def test_without_an_engine(build: Build, desk: Desk) -> None:
    layout: Path = build("cuda-runtime").folder / "oci"
    rows = json.loads(desk.temper("gpu", "check", layout, "--json"))
    assert [one for one in rows if one["outcome"] == "failed"] == []
    assert computed(rows)


def computed(rows: list[dict[str, str]]) -> bool:
    return any(
        one["name"] == "gpu: a kernel's sums are the CPU's" and one["outcome"] == "passed" for one in rows
    )
