"""One wheel moves to a new version: a client that has the image pulls that wheel's layer, and no other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.archive import DAY, serve
from tests.integration.cli.desk import DEBS, NOW, Desk
from tests.integration.cli.wheels import PYTHON, Index

BIG = 17 << 20
"""Bytes from which on a wheel has a layer of its own, and some more."""
IMAGE = """\
description: Two large wheels and two small ones
base: debian/trixie
platforms: [linux/amd64]
packages: [lib]
python: {{version: "3.13", requirements: [cuda-kit=={}, torch-kit==1.0, glue=={}, paste==1.0]}}
files: [{{source: app/, target: /app}}]
entrypoint: [run]
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    folder = tmp_path / "index"
    folder.mkdir()
    with serve(folder) as url:
        served = Index(folder, url)
        for name, size in (("cuda-kit", BIG), ("torch-kit", BIG), ("glue", 1000), ("paste", 1000)):
            served.add(name, "1.0", size)
        yield served


@pytest.fixture
def ours(desk: Desk, index: Index) -> Desk:
    desk.write("profiles/plain.yaml", "title: x\ncontrols: {nonroot-user: true, no-setuid: true}\n")
    desk.write("images/app/app/main.py", "print('it works')\n")
    desk.write("images/app/image.yaml", IMAGE.format("1.0", "1.0"))
    desk.published([*DEBS, PYTHON])
    built(desk, index, "before")
    return desk


def built(desk: Desk, index: Index, folder: str) -> None:
    for words in (("lock", "app", "-p", "plain"), ("build", "app", "-p", "plain", "--locked", "-o", folder)):
        ran = desk.run("-q", *words, env=index.environment)
        assert (ran.code, ran.err) == (0, ""), ran.out


def difference(desk: Desk) -> dict[str, Any]:
    ran = desk.run("-q", "diff", "before/oci", "after/oci", "--json")
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    return found


def changes(found: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row["change"] for row in found["layers"]}


def test_a_new_version_of_a_big_wheel_is_pulled_alone(ours: Desk, index: Index) -> None:
    index.add("cuda-kit", "1.1", BIG)
    ours.write("images/app/image.yaml", IMAGE.format("1.1", "1.0"))
    built(ours, index, "after")
    found = difference(ours)
    assert changes(found) == {
        "system": "same",
        "python-cuda-kit": "changed",
        "python-torch-kit": "same",
        "python": "same",
        "configuration": "same",
        "app": "same",
    }
    assert found["packages"] == [{"kind": "wheel", "name": "cuda-kit", "from": "1.0", "to": "1.1"}]
    assert BIG < found["pull"] < BIG + 100_000
    assert {row["path"].split("/")[5].partition("-")[0] for row in found["files"]} == {"cuda_kit"}


def test_a_new_version_of_a_small_wheel_moves_no_big_one(ours: Desk, index: Index) -> None:
    index.add("glue", "1.1", 1000)
    ours.write("images/app/image.yaml", IMAGE.format("1.0", "1.1"))
    built(ours, index, "after")
    found = difference(ours)
    assert [name for name, change in changes(found).items() if change != "same"] == ["python"]
    assert found["pull"] < 10_000


def test_a_later_index_moves_nothing_by_itself(ours: Desk, index: Index) -> None:
    """What Temper writes, and one's own files, are not dated by the lock."""
    ours.published([*DEBS, PYTHON], date=NOW + DAY // 288)
    index.add("cuda-kit", "1.1", BIG)
    ours.write("images/app/image.yaml", IMAGE.format("1.1", "1.0"))
    built(ours, index, "after")
    found = difference(ours)
    assert [name for name, change in changes(found).items() if change != "same"] == ["python-cuda-kit"]
