"""Does it come up? Against a container that plays through a list of states."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from builder.errors import EngineError
from builder.model.contract import RunContract
from builder.model.report import Outcome
from builder.model.spec import Healthcheck
from builder.verify.start import Clock, excused, wait_until_ready
from tests.unit.verify.test_session import FakeContainer, FakeSession, Frames, framed

NAME = "start: the container runs under its contract"
RUNNING = {"Running": True, "ExitCode": 0}
HEALTH = Healthcheck(command=("/app/health", "a b"))
LISTENS = b"head\n0: 00000000:1F40 00000000:0000 0A\n"


class Container(FakeContainer):
    """`states` are told one after the other, the last one for ever."""

    id = "abc"

    def __init__(
        self,
        states: Sequence[Mapping[str, Any]],
        script: Callable[[str, bytes], Frames] = lambda _, token: framed(token),
        log: bytes = b"",
    ) -> None:
        super().__init__(script)
        self.states, self.log = list(states), log

    def inspect(self) -> dict[str, Any]:
        return {"State": self.states.pop(0) if len(self.states) > 1 else self.states[0]}

    def logs(self) -> bytes:
        return self.log


def contract(*ports: int) -> RunContract:
    return RunContract(
        image="x", name="x", user="1:1", workdir="/", env=(), entrypoint=("x",), cmd=(), ports=ports,
        tmpfs=(), state=(), memory="1m", pids=1, cpus=1.0, shm="1m", stop_signal="SIGTERM",
    )  # fmt: skip


class FakeClock(Clock):
    """Every look at it takes a while."""

    time = 0.0

    def now(self) -> float:
        self.time += 0.3
        return self.time

    def sleep(self, _: float) -> None:
        pass


def wait(container: Container, *ports: int, health: Healthcheck | None = None) -> tuple[str, str, str]:
    start = wait_until_ready(container, contract(*ports), health, FakeClock())
    assert start.check.name == NAME
    return start.check.outcome.value, start.check.message, start.over


def test_what_promises_nothing_has_to_keep_running() -> None:
    assert wait(Container([RUNNING])) == ("passed", "", "")


def test_a_job_may_end() -> None:
    over = "the image's program ran to its end at once (exit code 0)"
    container = Container([RUNNING, {"Running": False, "ExitCode": 0}])
    assert wait(container) == ("passed", "it ran to its end (exit code 0)", over)


def test_an_end_with_an_error_says_the_last_words() -> None:
    container = Container([{"Running": False, "ExitCode": 3}], log=b"a\nb\nc\nImportError: no x\n")
    over = "the image's program ended at once with exit code 3"
    assert wait(container, 8000) == ("failed", "it ended with exit code 3: b; c; ImportError: no x", over)


def test_an_end_without_a_word() -> None:
    container = Container([{"Running": False, "ExitCode": 137}])
    assert wait(container)[1] == "it ended with exit code 137: it logged nothing"


def test_a_port_is_waited_for() -> None:
    tables = [b"head\n", b"head\n", LISTENS, b"head\n"]
    container = Container([RUNNING], lambda _, token: framed(token, tables.pop(0)))
    assert wait(container, 8000) == ("passed", "", "")
    assert tables == []


def test_a_port_that_stays_closed() -> None:
    container = Container([RUNNING], lambda _, token: framed(token, LISTENS))
    message = "not ready after 60 s: nothing listens on port 8001, 8002"
    assert wait(container, 8000, 8001, 8002) == ("failed", message, "")


def test_the_health_check_is_waited_for() -> None:
    codes = [1, 0]
    asked: list[str] = []

    def script(command: str, token: bytes) -> Frames:
        asked.append(command)
        return framed(token, code=codes.pop(0))

    assert wait(Container([RUNNING], script), 8000, health=HEALTH) == ("passed", "", "")
    assert asked == ["""'/app/health '"'"'a b'"'"''"""] * 2


def test_a_health_check_that_never_passes_is_quoted() -> None:
    container = Container([RUNNING], lambda _, token: framed(token, stderr=b"Traceback\nrefused\n", code=1))
    message = "not ready after 60 s: the health check ends with 1: refused"
    assert wait(container, health=HEALTH) == ("failed", message, "")


def test_a_server_that_says_so_gets_more_time() -> None:
    container = Container([RUNNING], lambda _, token: framed(token, stderr=b"loading\n", code=1))
    slow = HEALTH.model_copy(update={"start_period": 600})
    assert wait(container, health=slow)[1] == "not ready after 600 s: the health check ends with 1: loading"


def test_a_program_without_its_gpu_has_neither_failed_nor_passed() -> None:
    container = Container([{"Running": False, "ExitCode": 1}], log=b"no GPU\n")
    found = excused(wait_until_ready(container, contract(8000), None, FakeClock()))
    over = "the program needs a GPU, and a container that is verified has none"
    assert found.check.outcome is Outcome.NOT_RUN
    assert found.check.message == f"{over}: it ended with exit code 1: no GPU"
    assert found.over == over


def test_only_an_end_is_excused() -> None:
    container = Container([RUNNING], lambda _, token: framed(token, LISTENS))
    for ports in ((8000,), (8001,)):
        found = wait_until_ready(container, contract(*ports), None, FakeClock())
        assert excused(found) == found


def test_an_end_between_two_looks_is_an_end() -> None:
    class Ending(Container):
        def open_session(self, *_: object) -> FakeSession:
            raise EngineError("the container is not running")

    container = Ending([RUNNING, {"Running": False, "ExitCode": 1}], log=b"x\n")
    assert wait(container, 8000)[1] == "it ended with exit code 1: x"


def test_an_end_that_the_engine_tells_a_moment_later_is_an_end() -> None:
    """A program that ends at once takes the probe shell with it."""

    class Ending(Container):
        def open_session(self, *_: object) -> FakeSession:
            raise EngineError("the probe shell does not start")

    container = Ending([RUNNING, RUNNING, RUNNING, {"Running": False, "ExitCode": 1}], log=b"no GPU\n")
    assert wait(container, 8000)[1] == "it ended with exit code 1: no GPU"


def test_a_probe_that_can_not_run_is_no_verdict() -> None:
    class Blind(Container):
        def open_session(self, *_: object) -> FakeSession:
            raise EngineError("the probe shell does not start")

    with pytest.raises(EngineError, match=r"^the probe shell does not start$"):
        wait(Blind([RUNNING]), 8000)


def test_the_session_is_closed_again() -> None:
    container = Container([RUNNING], lambda _, token: framed(token, LISTENS))
    assert wait(container, 8000)[0] == Outcome.PASSED.value
    assert [session.closed for session in container.sessions] == [1]
