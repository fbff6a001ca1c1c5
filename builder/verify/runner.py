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
from builder.verify.session import BUSYBOX, MOUNT
from builder.verify.start import Running, Start, last_lines, wait_until_ready
from builder.verify.state import state_mounts
from builder.verify.subject import Subject, make_subject

HOLD = (BUSYBOX, "sleep", "3600")
"""Runs in the place of an image's program that ends by itself."""


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
) -> LiveResult:
    """Without `lock` the packages are not compared with it.

    Raises `EngineError` where the engine is gone, `ToolError` where pytest crashed, `InputError` where a
    suite can't be read: none of them says anything of the image. A container that ends at once does, unless
    it ends with 0; the suites then look into one that runs the toolbox's `sleep` instead. Stdin is left open,
    so that an image whose program is an interpreter keeps running.
    """

    def subject_of(ran: Started[Running], held: str = "") -> Subject:
        return make_subject(
            plan,
            ran.contract,
            layout,
            lock,
            container=ran.container.id,
            held=held,
            refused=ran.refused,
            inspected=unprobed(ran.container.inspect()),
            known=tuple(BY_KEY),
        )

    # what a container wrote into its state may belong to a user whose files we can't remove
    with tempfile.TemporaryDirectory(prefix="temper-", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        mounts = (Mount(source=toolbox, target=MOUNT), *state_mounts(plan, contract, scratch))
        with started(partial(engine.start, mounts=mounts, interactive=True), contract) as ran:
            start = wait_until_ready(ran.container, contract, plan.spec.healthcheck)
            if not start.over:
                return joined(start, run_suites(subject_of(ran), suites, scratch, ran.container))
        with started(partial(engine.start, mounts=mounts, program=HOLD), contract) as ran:
            subject = subject_of(ran, held=start.over)
            return joined(start, run_suites(subject, suites, scratch, ran.container))


def unprobed(inspected: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's answer as it would be without the toolbox."""
    host = dict(inspected["HostConfig"])
    host["Binds"] = [bind for bind in host.get("Binds") or () if bind.split(":")[1] != MOUNT]
    host["Mounts"] = [mount for mount in host.get("Mounts") or () if mount["Target"] != MOUNT]
    mounts = [mount for mount in inspected.get("Mounts") or () if mount["Destination"] != MOUNT]
    return {**inspected, "HostConfig": host, "Mounts": mounts}


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
