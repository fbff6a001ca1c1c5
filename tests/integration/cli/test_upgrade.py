"""One wheel moves to a new version: a client that has the image pulls that wheel's layer, and no other."""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.archive import DAY, Deb, serve
from tests.integration.cli.desk import DEBS, NOW, Desk

PYTHON = Deb(
    name="python3.13",
    version="3.13.5-2",
    architecture="all",
    files={"usr/bin/python3.13": b"#!/usr/bin/run\n"},
    modes={"usr/bin/python3.13": 0o755},
)
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


@dataclass(frozen=True)
class Index:
    """Wheels on loopback, as `uv` reads them."""

    folder: Path
    url: str

    def add(self, name: str, version: str, size: int) -> None:
        stem = name.replace("-", "_")
        data = wheel(stem, version, hashlib.shake_128(f"{name} {version}".encode()).digest(size))
        filename = f"{stem}-{version}-py3-none-any.whl"
        (self.folder / "files").mkdir(exist_ok=True)
        (self.folder / "files" / filename).write_bytes(data)
        page = self.folder / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(data).hexdigest()
        with page.open("a") as text:
            text.write(f'<a href="/files/{filename}#sha256={digest}">{filename}</a>\n')


def wheel(stem: str, version: str, content: bytes) -> bytes:
    info = f"{stem}-{version}.dist-info"
    files = {
        f"{stem}/__init__.py": b"",
        f"{stem}/data.bin": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {stem}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={digest(data)},{len(data)}" for path, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,\n"]).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path), data)
    return out.getvalue()


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


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
    env = {"UV_DEFAULT_INDEX": f"{index.url}/simple", "UV_NO_CACHE": "1", "UV_NO_CONFIG": "1"}
    for words in (("lock", "app", "-p", "plain"), ("build", "app", "-p", "plain", "--locked", "-o", folder)):
        ran = desk.run("-q", *words, env=env)
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
