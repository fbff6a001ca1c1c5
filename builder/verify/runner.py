"""Runs the live suites: a container by the run contract, pytest in its own process, its results read back."""

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from builder import process
from builder.controls.catalogue import BY_KEY
from builder.errors import EngineError, InputError, ToolError
from builder.image.running import Mount
from builder.model.contract import RunContract
from builder.model.lock import LockedPlatform
from builder.model.plan import Plan
from builder.model.report import CheckResult, Outcome
from builder.verify.live import Line, LiveResult
from builder.verify.refused import Started, started
from builder.verify.seccomp.facts import probe_calls
from builder.verify.seccomp.profile import widened
from builder.verify.seccomp.tracer import Tracer
from builder.verify.session import BUSYBOX, MOUNT
from builder.verify.start import Running, Start, answers_alone, last_lines, wait_until_ready
from builder.verify.state import state_mounts
from builder.verify.subject import Subject, make_subject

HOLD = (BUSYBOX, "sleep", "3600")
"""Runs in the place of an image's program that ends by itself."""
STOP_WITHIN = 5
"""Seconds that a program gets to end, before it is killed."""


class Starter(Protocol):
    """What of an engine is needed: `image.engine.Engine` has it."""

    def start(
        self,
        contract: RunContract,
        *,
        mounts: Sequence[Mount],
        interactive: bool = False,
        program: Sequence[str] = (),
    ) -> AbstractContextManager[Running]: ...


def verify(  # noqa: PLR0913 - what the stages before it made, by name
    engine: Starter,
    layout: Path,
    contract: RunContract,
    plan: Plan,
    toolbox: Path,
    suites: tuple[Path, ...],
    *,
    lock: LockedPlatform | None = None,
    tracer: Tracer | None = None,
) -> LiveResult:
    """Without `lock` the packages are not compared with it; with `tracer` the system calls are recorded.

    Raises `EngineError` where the engine is gone, `ToolError` where pytest crashed, `InputError` where a
    suite can't be read: none of them says anything of the image. A container that ends at once does, unless
    it ends with 0; the suites then look into one that runs the toolbox's `sleep` instead. Stdin is left open,
    so that an image whose program is an interpreter keeps running.
    """
    probed = probe_contract(contract)
    shell = tracer.shell if tracer else ()

    def look(ran: Started[Running], held: str = "") -> LiveResult:
        subject = make_subject(
            plan,
            replace(ran.contract, seccomp=contract.seccomp),
            layout,
            lock,
            container=ran.container.id,
            held=held,
            tracer=tuple(shell),
            refused=ran.refused,
            inspected=unprobed(ran.container.inspect(), contract),
            known=tuple(BY_KEY),
        )
        return run_suites(subject, suites, scratch, ran.container)

    # what a container wrote into its state may belong to a user whose files we can't remove
    with tempfile.TemporaryDirectory(prefix="temper-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        state = state_mounts(plan, contract, scratch)
        mounts = (*probe_mounts(toolbox, tracer), *state)
        own = tracer.program(contract) if tracer else ()
        with started(partial(engine.start, mounts=mounts, interactive=True, program=own), probed) as ran:
            start = wait_until_ready(ran.container, contract, plan.spec.healthcheck, tracer=shell)
            if not start.over:
                live = joined(start, look(ran))
                if tracer:
                    ran.container.stop(STOP_WITHIN)
        if start.over:
            with started(partial(engine.start, mounts=mounts, program=HOLD), probed) as ran:
                live = joined(start, look(ran, held=start.over))
        if probed != contract:
            live = replace(live, suites=(alone(engine, contract, plan, state), *live.suites))
        return live


def probe_contract(contract: RunContract) -> RunContract:
    """The contract with room for the probes: what they call on top of the program's own calls.

    A program that is executed in a container is held by the container's own filter, whoever executes it.
    """
    if not contract.seccomp:
        return contract
    return replace(contract, seccomp=widened(contract.seccomp, probe_calls()))


def probe_mounts(toolbox: Path, tracer: Tracer | None) -> tuple[Mount, ...]:
    tools = Mount(source=toolbox, target=MOUNT)
    if tracer is None:
        return (tools,)
    return tools, Mount(source=tracer.folder, target=f"{MOUNT}/{tracer.folder.name}", read_only=False)


def alone(engine: Starter, contract: RunContract, plan: Plan, state: tuple[Mount, ...]) -> CheckResult:
    """The contract to the letter, with no probe in the container and no room for one in its profile."""
    with started(partial(engine.start, mounts=state, interactive=True), contract) as ran:
        return answers_alone(ran.container, plan.spec.healthcheck)


def unprobed(inspected: Mapping[str, Any], contract: RunContract) -> dict[str, Any]:
    """The engine's answer as it would be without the toolbox."""
    host = dict(inspected["HostConfig"])
    host["Binds"] = [bind for bind in host.get("Binds") or () if not is_probes(bind.split(":")[1])]
    host["Mounts"] = [mount for mount in host.get("Mounts") or () if not is_probes(mount["Target"])]
    host["SecurityOpt"] = [
        f"seccomp={contract.seccomp}" if contract.seccomp and option.startswith("seccomp=") else option
        for option in host.get("SecurityOpt") or ()
    ]
    mounts = [mount for mount in inspected.get("Mounts") or () if not is_probes(mount["Destination"])]
    return {**inspected, "HostConfig": host, "Mounts": mounts}


def is_probes(target: str) -> bool:
    return f"{target}/".startswith(f"{MOUNT}/")


def run_suites(subject: Subject, suites: tuple[Path, ...], scratch: Path, container: Running) -> LiveResult:
    results, told = scratch / "results.jsonl", scratch / "subject.json"
    results.touch()
    told.write_text(subject.model_dump_json(by_alias=True), encoding="utf-8")
    done = process.run(command(told, results, suites, scratch), env=environment(), cwd=scratch, check=False)
    output = (done.stdout + done.stderr).decode(errors="replace")
    lines = read_lines(results)
    gone = next((line.message for line in lines if line.kind == "engine"), "")
    complain(lines, done.returncode, output)
    return result(lines, lost(container, gone) if gone else None)


def command(subject: Path, results: Path, suites: tuple[Path, ...], scratch: Path) -> list[str | Path]:
    """Nothing of the caller's folder or configuration may change what the suites do."""
    settings = scratch / "pytest.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")
    python = [sys.executable, "-P", "-B", "-m", "pytest", "-q", "--strict-markers"]
    where: list[str | Path] = ["-c", settings, "--rootdir", scratch, "--import-mode", "importlib"]
    plugins = ["-p", "builder.verify.plugin", "-p", "no:cacheprovider"]
    return [*python, *where, *plugins, "--subject", subject, "--results", results, *suites]


def environment() -> dict[str, str]:
    """pytest's variables and other plugins stay out; testinfra's too, since ours takes its place."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def read_lines(path: Path) -> tuple[Line, ...]:
    """The last line may be cut off when pytest was killed while writing it."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(Line.model_validate_json(text))
        except ValidationError:
            break
    return tuple(lines)


def complain(lines: tuple[Line, ...], code: int, output: str) -> None:
    """Raises where the run says nothing of the image. 0: passed, 1: tests failed, 2: stopped, 5: no tests."""
    kinds = {line.kind for line in lines}
    if "collect" in kinds:
        broken = [line for line in lines if line.kind == "collect"]
        raise InputError(
            [f"{one.name}: this suite can't be read: {last_words(one.message)}" for one in broken]
        )
    fine = (0, 1, 2, 5) if "engine" in kinds else (0, 1, 5)
    if "finished" not in kinds or code not in fine:
        raise ToolError(f"the live suites were cut off: pytest ended with {code}: {last_words(output)}")


def last_words(text: str) -> str:
    """pytest marks the error itself with a leading `E`."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    marked = [line[1:].strip() for line in lines if line.startswith("E ")]
    return (marked or lines or ["it said nothing"])[-1]


def lost(container: Running, message: str) -> CheckResult:
    """The suites lost their container: did it end? Raises `EngineError` where it didn't, or none answers."""
    state = container.inspect()["State"]
    if state["Running"]:
        raise EngineError(f"the engine broke off the live suites: {message}")
    last = last_lines(container.logs())
    text = f"it ended with exit code {state['ExitCode']} during the suites: {last}"
    return CheckResult(name="start: the container keeps running", outcome=Outcome.FAILED, message=text)


def result(lines: Iterable[Line], ended: CheckResult | None = None) -> LiveResult:
    lines = tuple(lines)
    tests = [line for line in lines if line.kind == "test"]
    planned = sum(line.count for line in lines if line.kind == "planned")
    controls: dict[str, list[CheckResult]] = {}
    for line in tests:
        for key in line.controls:
            controls.setdefault(key, []).append(line.check())
    free = [line.check() for line in tests if not line.controls]
    missing = planned - len({line.node for line in tests})
    notes = [f"{missing} of {planned} live tests: the container ended before them"] if missing > 0 else []
    if not planned:
        notes.append("live suites: none of their tests applies to this profile")
    return LiveResult(
        controls={key: tuple(checks) for key, checks in controls.items()},
        suites=(*([ended] if ended else []), *free),
        not_run=tuple(notes),
    )


def joined(start: Start, live: LiveResult) -> LiveResult:
    return replace(live, suites=(start.check, *live.suites))
