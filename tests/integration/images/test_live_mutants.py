"""Live tests that ask the image's own Python: each catches the real `python` image with one thing broken."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder.config.plan import make_plan
from builder.config.workspace import Workspace
from builder.controls.catalogue import BY_KEY
from builder.image.assemble import assemble
from builder.image.engine import Engine
from builder.model.image import Image, ImageConfig, Layer
from builder.model.report import Outcome
from builder.model.tree import Bytes, Entry, Kind, Rootfs
from builder.packages.lock import read_lock
from builder.packages.store import Store
from builder.progress import Silent
from builder.tools import busybox
from builder.verify.live import LiveResult
from builder.verify.runner import verify
from builder.verify.toolbox import make_toolbox
from builder.workplace import Workplace, host_platform
from tests.integration.images.desk import Build, Desk

pytestmark = [pytest.mark.docker, pytest.mark.network]

SUITE = Path(__file__).parents[2] / "suites" / "test_packages.py"
Break = Callable[[Image], Image]


def without(part: str) -> Break:
    """Hides the files whose path holds `part`, of which there must be some; the layer below stays."""

    def broken(image: Image) -> Image:
        paths = [path.rpartition("/") for path in image.rootfs if part in path]
        assert paths, f"the image holds no '{part}'"
        hiding = Rootfs.of(
            Entry(path=f"{folder}/.wh.{name}", kind=Kind.FILE, mode=0o644, content=Bytes(b""))
            for folder, _, name in paths
        )
        return image.replace(layers=(*image.layers, Layer(name="mutant", rootfs=hiding)))

    return broken


def unset(name: str) -> Break:
    def config(there: ImageConfig) -> ImageConfig:
        assert there.env_value(name), f"the image does not set {name}"
        return there.replace(env=tuple(item for item in there.env if item[0] != name))

    return lambda image: image.replace(config=config(image.config))


MUTANTS: tuple[tuple[str, str, Break], ...] = (
    ("elf-closure", "sqlite3", without("libsqlite3.so")),
    ("elf-closure", "bz2", without("libbz2.so")),
    ("python-startup", "safe_path", unset("PYTHONSAFEPATH")),
    ("python-startup", "no_user_site", unset("PYTHONNOUSERSITE")),
    ("python-startup", "dont_write_bytecode", unset("PYTHONDONTWRITEBYTECODE")),
)
"""Control, what of Python its test asks for, and what breaks that and nothing else."""

Look = Callable[[Break], LiveResult]


@pytest.fixture(scope="module")
def look(engine: Engine, desk: Desk, build: Build, tmp_path_factory: pytest.TempPathFactory) -> Look:
    """Starts the `python` image, changed, and asks it what the suite asks."""
    sound = build("python").image()
    workspace, store = Workspace.here(desk.folder), Store.default()
    place = Workplace(workspace=workspace, store=store, progress=Silent())
    section = read_lock(desk.lock("python")).platforms[host_platform()]
    tools = make_toolbox(busybox(place, section), tmp_path_factory.mktemp("toolbox"), host_platform())
    plan = make_plan(workspace, "python", "hardened", BY_KEY, datetime.now(tz=UTC).date())
    tag = f"temper-test/mutant:{uuid.uuid4().hex[:8]}"

    def looked(change: Break) -> LiveResult:
        broken, layout = change(sound), tmp_path_factory.mktemp("mutant") / "oci"
        assemble(broken, store, layout, name=tag)
        contract = replace(desk.contract("python"), image=tag)
        try:
            engine.load(layout, tag)
            return verify(engine, layout, contract, plan, tools, (SUITE,), lock=section)
        finally:
            engine.remove_image(tag)

    return looked


def failed(live: LiveResult) -> dict[str, set[str]]:
    """Control -> what its failed checks are about."""
    found = {
        key: {
            check.name.rpartition("(")[2].rstrip(")") for check in checks if check.outcome is Outcome.FAILED
        }
        for key, checks in live.controls.items()
    }
    return {key: names for key, names in found.items() if names}


def test_the_sound_image_fails_nothing(look: Look) -> None:
    live = look(lambda image: image)
    assert failed(live) == {}
    proven = {
        key for key, checks in live.controls.items() if all(one.outcome is Outcome.PASSED for one in checks)
    }
    assert {key for key, _, _ in MUTANTS} <= proven


@pytest.mark.parametrize(("key", "about", "change"), [pytest.param(*one, id=one[1]) for one in MUTANTS])
def test_a_live_test_catches_the_mutant_of_its_control(
    look: Look, key: str, about: str, change: Break
) -> None:
    assert failed(look(change)) == {key: {about}}
