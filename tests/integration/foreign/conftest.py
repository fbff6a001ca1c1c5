"""A full Debian, and a desk to look at what `docker build` makes of it."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder.image.engine import Engine

NAME = f"full-{uuid.uuid4().hex[:8]}"
FULL = """\
description: A full Debian, to build on
base: debian/trixie
packages: [apt, bash, ca-certificates, coreutils, curl, dash, dpkg, libc-bin, login, mount, passwd, sed,
  util-linux]
python: {version: "3.13"}
entrypoint: [bash]
platforms: [linux/amd64]
"""
LAX = "title: Whatever can be read\ncontrols: {safe-archive: true}\n"


@dataclass(frozen=True)
class Desk:
    folder: Path

    def temper(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Exit code and report."""
        env = {**os.environ, "ENGINE": "auto"}
        env.pop("SOURCE_DATE_EPOCH", None)
        done = subprocess.run(
            [sys.executable, "-m", "builder", *words],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="package")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "images" / NAME).mkdir(parents=True)
    (folder / "images" / NAME / "image.yaml").write_text(FULL)
    (folder / "profiles").mkdir()
    (folder / "profiles" / "lax.yaml").write_text(LAX)
    return Desk(folder)


@pytest.fixture(scope="package")
def base(desk: Desk, engine: Engine) -> Iterator[str]:
    """The tag of the full Debian that the images here are built on."""
    tag = f"temper/{NAME}:lax"
    try:
        assert desk.temper("build", NAME, "-p", "lax", "--json")[0] == 0
        yield tag
    finally:
        engine.remove_image(tag)
