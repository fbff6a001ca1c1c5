"""A folder in which `temper` is called, as a person would, and what it built there."""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from builder.config.plan import make_plan
from builder.config.workspace import Workspace
from builder.controls.catalogue import BY_KEY
from builder.image.layout import read_layout
from builder.model.contract import RunContract
from builder.model.image import Image
from builder.render.contract import make_contract
from builder.scans import CONTROLS

CHECKOUT = Path(__file__).parents[3]
CACHES = shutil.ignore_patterns("__pycache__", ".*_cache")
TEMPER = Path(sys.executable).with_name("temper")
NOT_PASSED_ON = ("ENGINE", "SOURCE_DATE_EPOCH", "PYTEST_CURRENT_TEST")
"""What the tests say themselves is not taken from whoever runs them."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Holds `images/` and `profiles/`, or nothing at all."""

    folder: Path
    program: Path = TEMPER
    prefix: tuple[str, ...] = ()
    """Runs `temper` as somebody else."""
    env: Mapping[str, str] = field(default_factory=dict)

    def temper(self, *arguments: str | Path, code: int = 0, env: Mapping[str, str] | None = None) -> str:
        """What it prints; it must end with `code`."""
        kept = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
        done = subprocess.run(
            [*self.prefix, self.program, *arguments],
            cwd=self.folder,
            env={**kept, **self.env, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"exit {done.returncode}\n{in_short(done.stdout)}\n{done.stderr}"
        return done.stdout

    def contract(self, image: str, profile: str = "hardened", user: str = "65532:65532") -> RunContract:
        today = datetime.now(tz=UTC).date()
        plan = make_plan(Workspace.here(self.folder), image, profile, BY_KEY, today)
        return make_contract(plan, f"temper/{image}:{profile}", user)

    def lock(self, image: str) -> Path:
        found = Workspace((self.folder,), self.folder)
        return found.lock_path(image) if image in found.images() else self.built_in_lock(image)

    def built_in_lock(self, image: str) -> Path:
        """Where this folder has that of an image which it has not itself."""
        return self.folder / "images" / image / "image.lock.json"


@dataclass(frozen=True, kw_only=True)
class Built:
    folder: Path
    """Holds `oci/`, `definition/` and `report.json`."""
    printed: str
    """The report on stdout, with `--json`."""
    report: dict[str, Any]

    def image(self) -> Image:
        return read_once(self.folder / "oci")


@functools.cache
def read_once(layout: Path) -> Image:
    """Nothing is built twice into the same folder, so what was read stays true."""
    return read_layout(layout)


Build = Callable[..., Built]
"""`build("python", profile="dev", platform="linux/arm64")`"""


def copy_data(target: Path) -> Path:
    """The checkout's images and profiles, locks too."""
    for name in ("images", "profiles"):
        shutil.copytree(CHECKOUT / name, target / name, ignore=CACHES)
    return target


def in_short(printed: str) -> str:
    """Of a report only what failed."""
    try:
        return json.dumps(failures(json.loads(printed)), indent=2)
    except ValueError:
        return printed


def audits(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every control but those that look at a scan, where nobody scanned the image."""
    return {
        one["key"]: one
        for one in report["controls"]
        if not (one["key"] in CONTROLS and one["audit"] == "not assessed")
    }


def failures(report: dict[str, Any]) -> list[Any]:
    """Every control and every live check that did not hold."""
    controls = [one for one in audits(report).values() if one["audit"] != "passed"]
    return controls + [one for one in live_checks(report) if one["outcome"] not in ("passed", "not run")]


def live_checks(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(check for control in report["controls"] for check in control["checks"]), *report["suites"]]
