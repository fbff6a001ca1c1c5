"""Does the container come up under its contract? Waits for its health check, its ports, or its end."""

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from builder.errors import EngineError
from builder.image.running import Executed
from builder.model.contract import RunContract
from builder.model.report import CheckResult, Outcome
from builder.model.spec import Healthcheck
from builder.verify import proc
from builder.verify.session import Opener, SessionLost, Shell

READY_WITHIN = 60.0
"""Seconds that a server gets to answer, unless its health check says that it takes longer."""
SETTLE = 1.0
"""Seconds after which a program that says nothing of its readiness is taken for one that keeps running."""
POLL = 0.05
"""Neither engine nor kernel offers an event for `this port is open now`."""


class Clock:
    """Time, so that tests need none."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class Running(Opener, Protocol):
    """A started container: `image.engine.Container`."""

    @property
    def id(self) -> str: ...
    def inspect(self) -> dict[str, Any]: ...
    def logs(self) -> bytes: ...
    def exec(self, argv: Sequence[str]) -> Executed: ...
    def stop(self, seconds: int) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    check: CheckResult
    over: str = ""
    """Why the program runs no longer; empty while it does."""


def wait_until_ready(
    container: Running,
    contract: RunContract,
    health: Healthcheck | None,
    clock: Clock | None = None,
    tracer: Sequence[str] = (),
) -> Start:
    """Raises `EngineError` where the engine no longer answers, or can't run the probe shell."""
    clock = clock or Clock()
    waits = bool(health or contract.ports)
    limit = patience(health) if waits else SETTLE
    end, missing = clock.now() + limit, ""
    shell = Shell(container, tracer=tracer)
    try:
        while clock.now() < end:
            if over := has_ended(container):
                return over
            missing = lacks(shell, container, contract, health, clock) if waits else ""
            if waits and not missing:
                return Start(check=check(Outcome.PASSED))
            clock.sleep(POLL)
    finally:
        shell.close()
    if missing:
        return Start(check=check(Outcome.FAILED, f"not ready after {limit:g} s: {missing}"))
    return has_ended(container) or Start(check=check(Outcome.PASSED))


def patience(health: Healthcheck | None) -> float:
    return max(READY_WITHIN, float(health.start_period) if health is not None else 0.0)


def has_ended(container: Running) -> Start | None:
    state = container.inspect()["State"]
    return None if state["Running"] else ended(state["ExitCode"], container.logs())


def lacks(
    shell: Shell, container: Running, contract: RunContract, health: Healthcheck | None, clock: Clock
) -> str:
    """What is still missing, in words; nothing when the container is ready."""
    try:
        return unhealthy(shell, health) if health is not None else closed_ports(shell, contract)
    except SessionLost as error:
        return str(error)
    except EngineError as error:
        if ends(container, clock):  # between two looks: the next one says how
            return str(error)
        raise


def ends(container: Running, clock: Clock) -> bool:
    """Whether it has, or is about to: its processes die a moment before the engine knows."""
    end = clock.now() + SETTLE
    while not has_ended(container):
        if clock.now() >= end:
            return False
        clock.sleep(POLL)
    return True


def unhealthy(shell: Shell, health: Healthcheck) -> str:
    answer = shell.run(shlex.join(health.command))
    if answer.code == 0:
        return ""
    said = (answer.stderr or answer.stdout).decode(errors="replace").strip().rpartition("\n")[2]
    return f"the health check ends with {answer.code}: {said or 'it says nothing'}"


def closed_ports(shell: Shell, contract: RunContract) -> str:
    tables = [(name, shell.run(f"cat /proc/net/{name}").stdout.decode()) for name in ("tcp", "tcp6")]
    opened = {item.port for name, table in tables for item in proc.sockets(table, name, listening=True)}
    closed = sorted(set(contract.ports) - opened)
    return f"nothing listens on port {', '.join(map(str, closed))}" if closed else ""


def answers_alone(container: Running, health: Healthcheck | None, clock: Clock | None = None) -> CheckResult:
    """Without the probe shell: the health check is executed as an engine does it; a program that has none is
    to keep running, or to end with 0."""
    clock = clock or Clock()
    name = "seccomp: it starts and answers under its profile alone"
    limit = patience(health) if health else SETTLE
    end, said = clock.now() + limit, ""
    while clock.now() < end:
        if over := has_ended(container):
            return over.check.model_copy(update={"name": name})
        if health is not None:
            done = container.exec(health.command)
            if done.code == 0:
                return CheckResult(name=name, outcome=Outcome.PASSED)
            said = f"the health check ends with {done.code}: {last_lines(done.stderr or done.stdout)}"
        clock.sleep(POLL)
    return CheckResult(name=name, outcome=Outcome.FAILED if said else Outcome.PASSED, message=said)


def ended(code: int, logs: bytes) -> Start:
    """A job may end, with 0; whatever else ends has failed."""
    if code == 0:
        reason = "the image's program ran to its end at once (exit code 0)"
        return Start(check=check(Outcome.PASSED, "it ran to its end (exit code 0)"), over=reason)
    last = last_lines(logs)
    reason = f"the image's program ended at once with exit code {code}"
    return Start(check=check(Outcome.FAILED, f"it ended with exit code {code}: {last}"), over=reason)


def excused(start: Start) -> Start:
    """Of a program that needs a GPU and was given none: that it ended says nothing of the image, nor does it
    pass for a start. Its last words stay, for whoever reads whether they speak of the GPU."""
    if start.check.outcome is not Outcome.FAILED or not start.over:
        return start
    reason = "the program needs a GPU, and a container that is verified has none"
    return Start(check=check(Outcome.NOT_RUN, f"{reason}: {start.check.message}"), over=reason)


def last_lines(logs: bytes) -> str:
    return "; ".join(logs.decode(errors="replace").strip().splitlines()[-3:]) or "it logged nothing"


def check(outcome: Outcome, message: str = "") -> CheckResult:
    return CheckResult(name="start: the container runs under its contract", outcome=outcome, message=message)
