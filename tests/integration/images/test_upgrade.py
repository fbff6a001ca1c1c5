"""A new version of one wheel: who has the image pulls that wheel's layer again, and nothing besides."""

import json
from pathlib import Path

import pytest

from builder.image.layout import read_layout
from builder.workplace import host_platform
from tests.integration.images.desk import Desk

pytestmark = pytest.mark.network

IMAGE = """\
description: Two wheels of tens of megabytes and a small one
base: debian/trixie
packages: [libstdc++6]
python:
  version: "3.13"
  requirements: [numpy==%s, sympy==1.14.0, idna==3.10]
entrypoint: [python3, -c, "import numpy"]
platforms: [%s]
"""


@pytest.fixture
def own(tmp_path: Path) -> Desk:
    return Desk(folder=tmp_path)


def built(desk: Desk, numpy: str) -> tuple[Path, dict[str, str]]:
    """Where it is, and the digest of each layer by its name."""
    folder = desk.folder / "images/two"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "image.yaml").write_text(IMAGE % (numpy, host_platform()))
    out = desk.folder / f"build/{numpy}"
    desk.temper("lock", "two")
    desk.temper("build", "two", "--engine", "none", "-p", "baseline", "--locked", "-o", out)
    return out, {layer.name: layer.digest for layer in read_layout(out / "oci").layers}


def test_a_bump_of_one_wheel_changes_its_layer_alone(own: Desk) -> None:
    old, before = built(own, "2.4.5")
    new, after = built(own, "2.4.6")
    assert {"python-numpy", "python-sympy", "python"} <= before.keys()
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == {
        "python-numpy"
    }
    told = json.loads(own.temper("diff", old, new, "--json"))
    assert [row["name"] for row in told["layers"] if row["pull"]] == ["python-numpy"]
