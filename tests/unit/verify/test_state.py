import stat
from dataclasses import replace
from pathlib import Path

import pytest

from builder.image.running import Mount
from builder.model.spec import State
from builder.render.contract import make_contract
from builder.verify.state import state_mounts
from tests.unit.verify.parts import make_plan


def mounts(folder: Path, mode: str) -> tuple[Mount, ...]:
    plan = replace(make_plan(), folder=folder)
    contract = replace(
        make_contract(plan, "temper/probe:hardened", "65532:65532"), state=(State(path="/models", mode=mode),)
    )
    return state_mounts(plan, contract, folder / "scratch")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """As a checkout under the usual umask has it."""
    folder = tmp_path / "tests/state/models"
    (folder / "one").mkdir(parents=True)
    (folder / "one/model").write_text("x")
    for path, mode in ((folder, 0o755), (folder / "one", 0o755), (folder / "one/model", 0o644)):
        path.chmod(mode)
    return folder


def modes(folder: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "one", folder / "one/model")]


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_the_engine_makes_state_that_nobody_brings(tmp_path: Path, mode: str) -> None:
    assert mounts(tmp_path, mode) == ()


def test_what_everybody_may_read_is_mounted_as_it_stands(tmp_path: Path, models: Path) -> None:
    assert mounts(tmp_path, "ro") == (Mount(source=models, target="/models", read_only=True),)


@pytest.mark.parametrize("closed", ["", "one", "one/model"])
def test_what_a_strict_umask_closed_is_opened_in_a_copy(tmp_path: Path, models: Path, closed: str) -> None:
    path = models / closed
    path.chmod(path.stat().st_mode & 0o700)
    before = modes(models)
    [mount] = mounts(tmp_path, "ro")
    assert mount == Mount(source=tmp_path / "scratch/state/models", target="/models", read_only=True)
    assert [mode & 0o005 for mode in modes(mount.source)] == [5, 5, 4]
    assert modes(models) == before


def test_what_the_image_may_write_to_is_a_copy(tmp_path: Path, models: Path) -> None:
    [mount] = mounts(tmp_path, "rw")
    assert mount == Mount(source=tmp_path / "scratch/state/models", target="/models", read_only=False)
    assert [mode & 0o007 for mode in modes(mount.source)] == [7, 7, 6]
    assert modes(models) == [0o755, 0o755, 0o644]
