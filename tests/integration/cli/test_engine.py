"""Engines that are absent, closed to us, or go away in the middle: no half image ever has a tag."""

import os
import secrets
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from builder.errors import EngineError
from builder.image.engine import Engine as RealEngine
from builder.image.engine_errors import DEFAULT_HOST
from builder.model.report import Report
from tests.integration.cli.desk import IMAGE, IMAGE_FILE, PATIENCE, RESULT, Desk
from tests.integration.cli.engines import Engine, cut_after, engine_at
from tests.integration.real_engine import real_engine

TAG = "temper/app:hardened"


@pytest.fixture
def engine(used: Desk) -> Iterator[Engine]:
    with engine_at(used.root / "engine.sock") as engine:
        yield engine


def at(host: str, choice: str = "auto") -> dict[str, str]:
    return {"DOCKER_HOST": host, "ENGINE": choice}


def test_a_good_image_is_loaded_and_then_tagged(used: Desk, engine: Engine) -> None:
    ran = used.run("build", "app", env=at(engine.host))
    assert ran.code == 0
    assert ran.err.endswith("loading into engine 99.0\n")
    assert engine.changes == ["load", "tag tag=hardened&repo=temper%2Fapp&force=0"]
    assert f"\ntag       {TAG}\n" in ran.out


def test_an_image_that_fails_its_profile_is_neither_loaded_nor_tagged(used: Desk, engine: Engine) -> None:
    used.write(IMAGE_FILE, IMAGE.replace("entrypoint: [app]", "entrypoint: [nowhere]"))
    ran = used.run("build", "app", env=at(engine.host))
    assert (ran.code, engine.changes) == (1, [])
    assert "  - live suites: the image fails its audit, so it was neither loaded nor tagged\n" in ran.out


def test_no_engine_is_said_and_no_failure(used: Desk) -> None:
    ran = used.run("build", "app", env=at("unix:///nowhere.sock"))
    assert ran.code == 0
    assert f" not run - live suites: {ABSENT.removeprefix('temper: ').strip()} " in " ".join(ran.out.split())


ABSENT = (
    "temper: no container engine at 'unix:///nowhere.sock': nothing is there; "
    "start Docker or Podman, or set DOCKER_HOST\n"
)


def test_no_engine_where_one_must_be(used: Desk) -> None:
    """Told at once, before any work is done."""
    before = (used.work / RESULT / "report.json").read_bytes()
    said = used.refused("build", "app", "--engine", "docker", env={"DOCKER_HOST": "unix:///nowhere.sock"})
    assert said == (3, ABSENT)
    assert (used.work / RESULT / "report.json").read_bytes() == before
    assert used.refused("verify", "app", env={"DOCKER_HOST": "unix:///nowhere.sock"}) == (3, ABSENT)


def test_nobody_listens(used: Desk) -> None:
    path = used.root / "old.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    assert used.refused("build", "app", "--engine", "docker", env={"DOCKER_HOST": f"unix://{path}"}) == (
        3,
        (
            f"temper: no container engine answers at 'unix://{path}': connection refused; "
            "start Docker or Podman, or set DOCKER_HOST\n"
        ),
    )


def test_no_permission_on_the_socket(used: Desk, engine: Engine) -> None:
    engine.path.chmod(0)
    mortal = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all")
    prefix = mortal if os.geteuid() == 0 else ()
    ran = used.execute("-q", "build", "app", "--engine", "docker", env=at(engine.host), prefix=prefix)
    assert (ran.code, ran.out, ran.err) == (
        3,
        "",
        (
            f"temper: no permission to use the container engine at '{engine.host}'; "
            "add yourself to the group 'docker' and log in again, "
            "or set DOCKER_HOST to an engine of your own\n"
        ),
    )


MOODS = {
    "dies": "the container engine at '{}' went away while loading '{}'; start it and run the command again",
    "hangs up": "the container engine at '{}' hung up while loading '{}'; see its log: is its disk full?",
    "refuses": "loading '{1}' failed: the container engine says: no space left on device",
}


@pytest.mark.parametrize("mood", MOODS)
def test_an_engine_that(used: Desk, engine: Engine, digest: str, mood: str) -> None:
    engine.mood = mood
    said = MOODS[mood].format(engine.host, TAG)
    assert used.refused("build", "app", env=at(engine.host)) == (3, f"temper: {said}\n")
    assert engine.changes == ["load"]
    assert used.half_made() == []
    ran = used.run("build", "app")
    assert (ran.code, f"\ndigest    {digest}\n" in ran.out) == (0, True)


@pytest.mark.parametrize("kill", [False, True], ids=["ctrl-c", "kill -9"])
def test_while_it_loads(used: Desk, engine: Engine, kill: bool) -> None:
    engine.mood = "is silent"
    running = used.start("build", "app", env=at(engine.host))
    assert engine.loading.wait(PATIENCE)
    if kill:
        running.signal(signal.SIGKILL)
        assert running.end().code == -signal.SIGKILL
    else:
        running.signal(signal.SIGINT)
        assert running.end().code in (130, -signal.SIGINT)
        assert used.half_made() == []
    assert engine.changes == ["load"]
    engine.mood = "good"
    assert used.run("build", "app", env=at(engine.host)).code == 0
    assert engine.changes[1:] == ["load", "tag tag=hardened&repo=temper%2Fapp&force=0"]


@pytest.fixture
def real() -> Iterator[RealEngine]:
    """As in the folder above; asked for late, so that only these tests are skipped."""
    yield from real_engine()


@pytest.mark.docker
def test_a_real_engine_that_goes_away_and_then_is_there(used: Desk, real: RealEngine) -> None:
    name = f"test-{secrets.token_hex(4)}"
    used.write(f"images/{name}/image.yaml", IMAGE + f"labels: {{test: {name}}}\n")
    host = os.environ.get("DOCKER_HOST", DEFAULT_HOST)
    with cut_after(used.root / "cut.sock", host.removeprefix("unix://"), 20_000) as cut:
        assert used.refused("build", name, env=at(cut)) == (
            3,
            (
                f"temper: the container engine at '{cut}' went away while loading 'temper/{name}:hardened'; "
                "start it and run the command again\n"
            ),
        )
    with pytest.raises(EngineError):
        real.export(f"temper/{name}:hardened", used.root)
    try:
        ran = used.run("build", name, "--json", env=at(host))
        report = Report.model_validate_json(ran.out)
        assert (ran.code, report.tag) == (0, f"temper/{name}:hardened")
        assert list(real.export(report.tag, used.root).rootfs)
    finally:
        with suppress(EngineError):
            real.remove_image(f"temper/{name}:hardened")
