"""The profile `dev`: the same image with a shell in it, locked apart from the one that ships."""

import json

import pytest

from builder.image.engine import Engine
from builder.image.running import Container
from tests.integration.images.desk import Build, Built, Desk, failures

pytestmark = pytest.mark.network

STAY = ("/usr/bin/sleep", "60")


@pytest.fixture(scope="module")
def dev(build: Build) -> Built:
    return build("python", profile="dev")


def test_it_passes_its_own_profile_and_says_which(dev: Built) -> None:
    assert failures(dev.report) == []
    assert dev.report["profile"] == "dev"
    assert "no-shell" not in {one["key"] for one in dev.report["controls"]}
    names = {one["name"] for one in dev.report["packages"]}
    assert {"bash", "coreutils", "procps"} <= names


def test_it_has_a_lock_of_its_own(desk: Desk, build: Build, dev: Built) -> None:
    """In the workspace, and the profile that ships keeps its lock."""
    build("python")
    locks = {path.name for path in desk.lock("python").parent.glob("*.lock.json")}
    assert locks == {"image.lock.json", "image.dev.lock.json"}
    hardened, debug = (
        {one["name"] for one in json.loads(path.read_text())["platforms"]["linux/amd64"]["packages"]}
        for path in (desk.lock("python"), desk.lock("python").with_name("image.dev.lock.json"))
    )
    assert "bash" in debug - hardened
    assert "bash" not in hardened


def bash(container: Container, program: str) -> str:
    done = container.exec(["bash", "-c", program])
    assert done.code == 0, done.stderr
    return done.stdout.decode()


@pytest.mark.docker
def test_one_can_look_around_in_it(engine: Engine, desk: Desk, dev: Built) -> None:
    with engine.start(desk.contract("python", "dev"), program=STAY) as container:
        assert bash(container, "for n in 1 2 3; do echo -n $((n * n)); done") == "149"
        assert bash(container, "id -u; ls /usr/bin/python3; cat /proc/self/comm").split()[:2] == [
            "65532",
            "/usr/bin/python3",
        ]
        assert "sleep 60" in bash(container, "ps -e -o args")
        assert bash(container, "touch /etc/x 2>&1 || echo refused").endswith("refused\n")
        assert bash(container, "sh -c 'echo $0'") == "sh\n"


@pytest.mark.docker
def test_the_profile_that_ships_refuses_what_it_adds(engine: Engine, desk: Desk, build: Build) -> None:
    build("python")
    with engine.start(desk.contract("python"), program=("/usr/bin/python3", "-c", WAIT)) as container:
        done = container.exec(["bash", "-c", "true"])
    assert done.code in (126, 127)


WAIT = "import time; time.sleep(60)"
