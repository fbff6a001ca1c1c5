"""Where it is measured: a store and a workspace of its own, so that nobody's images or caches count."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.clock import FailedError, Ran, output, run

TOP = Path(__file__).resolve().parents[1]
IMAGE = "bench-python"
"""`python` under another name, so that a user's image of that name is left alone."""
SERVER = "bench-onnx"
_ORIGINALS = {IMAGE: "python", SERVER: "onnx-inference"}
YEAR = 365 * 86_400
_UNSET = ("PYTHONDONTWRITEBYTECODE", "ENGINE", "TEMPER_STORE", "SOURCE_DATE_EPOCH")
"""What would change what is measured."""


@dataclass(frozen=True)
class Place:
    """`root` is kept between runs for its downloads; `workspace` is made anew."""

    root: Path

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @cached_property
    def env(self) -> Mapping[str, str]:
        """The moment lies before the packages' own times and so shifts every layer's digest: none of them is
        in the engine already."""
        kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
        moment = str(self.lock["date"] - 3 * YEAR)
        return kept | {"TEMPER_STORE": str(self.store), "SOURCE_DATE_EPOCH": moment}

    @cached_property
    def lock(self) -> dict[str, Any]:
        text = (self.workspace / "images" / IMAGE / "image.lock.json").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        return found

    def packages(self, platform: str) -> tuple[str, ...]:
        """`name=version` of what the image's lock names."""
        section = self.lock["platforms"][platform]
        return tuple(f"{one['name']}={one['version']}" for one in section["packages"])

    def set_up(self) -> None:
        shutil.rmtree(self.workspace, ignore_errors=True)
        for name, original in _ORIGINALS.items():
            target = self.workspace / "images" / name
            shutil.copytree(
                TOP / "images" / original, target, ignore=shutil.ignore_patterns("__pycache__", ".*_cache")
            )

    def fill(self, image: str) -> None:
        """Downloads and unpacks what the image needs. Raises `FailedError`."""
        run((*self.command("build", image), "--engine", "none"), env=self.env, cwd=self.workspace)

    def command(self, verb: str, *words: str) -> tuple[str | Path, ...]:
        return (Path(sys.executable).with_name("temper"), "-q", verb, *words)

    def temper(self, verb: str, *words: str) -> Ran:
        return run(self.command(verb, *words), env=self.env, cwd=self.workspace)

    def build(self, image: str, *, engine: str = "none", anew: bool = False) -> Ran:
        """`anew`: composed, hardened and audited, although the build before did that."""
        more = ["--anew"] if anew else []
        return self.temper("build", image, "--engine", engine, "--locked", "--offline", *more)

    def forget_layers(self) -> None:
        """The next build writes and compresses its layers anew."""
        shutil.rmtree(self.store / "records" / "layer-1", ignore_errors=True)

    def change_one_file(self) -> None:
        """A line more in the server's code, other than the last time."""
        target = self.workspace / "images" / SERVER / "app" / "server" / "__init__.py"
        with target.open("a", encoding="utf-8") as file:
            file.write("# changed\n")

    def audit_inside(self) -> Ran:
        """The stage alone, in a process that has just started."""
        words = (sys.executable, "-m", "bench.inside", IMAGE)
        found = json.loads(output(words, env={**self.env, "PYTHONPATH": str(TOP)}, cwd=self.workspace))
        return Ran(seconds=found["seconds"], cpu=found["cpu"], peak=0)

    def folder(self, image: str, architecture: str) -> Path:
        return self.workspace / "build" / f"{image}-hardened-{architecture}"

    def report(self, image: str, architecture: str) -> dict[str, Any]:
        """Raises `FailedError` where no image was built."""
        try:
            text = (self.folder(image, architecture) / "report.json").read_text(encoding="utf-8")
        except OSError:
            raise FailedError("no image was built") from None
        found: dict[str, Any] = json.loads(text)
        return found
