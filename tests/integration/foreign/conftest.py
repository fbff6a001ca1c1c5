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

import docker
import pytest

from builder.image.engine import Engine
from builder.model.contract import RunContract
from builder.model.spec import Writable

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
ASK = """
import contextlib, time, urllib.request
for _ in range(100):
    with contextlib.suppress(OSError):
        print(urllib.request.urlopen("http://127.0.0.1:8000/", timeout=5).read().decode())
        break
    time.sleep(0.1)
"""
"""Until it listens."""


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


def answer(engine: Engine, tag: str, user: str = "65532:65532") -> str:
    """What the workload serves, in a container started as ours are."""
    contract = RunContract(
        image=tag, name="foreign", user=user, workdir="/app", env=(),
        entrypoint=("python3", "server.py"), cmd=(), ports=(), tmpfs=(Writable(path="/tmp", size="8m"),),
        state=(), memory="128m", pids=32, cpus=1.0, shm="8m", stop_signal="SIGTERM",
    )  # fmt: skip
    with engine.start(contract) as container:
        running = docker.from_env().containers.get(container.id)
        code, output = running.exec_run(["python3", "-c", ASK])
        running.client.close()
    assert code == 0, output
    return output.decode().strip()
