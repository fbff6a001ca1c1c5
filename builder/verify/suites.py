"""The suites' own process: pytest, begun while the container starts, and its results read back."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from builder import process
from builder.errors import EngineError, InputError, ToolError
from builder.model.report import CheckResult, Outcome
from builder.verify.live import Line, LiveResult
from builder.verify.start import Running, last_lines
from builder.verify.subject import Subject


class Suites:
    """pytest has imported and collected them by the time that they are told of a container."""

    def __init__(self, pytest: process.Begun, results: Path) -> None:
        self._pytest = pytest
        self._results = results

    def look(self, subject: Subject, container: Running) -> LiveResult:
        """Once. Raises `EngineError`, `InputError` or `ToolError` where the run says nothing of the image."""
        code, output = self._pytest.finish(subject.model_dump_json(by_alias=True).encode())
        lines = read_lines(self._results)
        gone = next((line.message for line in lines if line.kind == "engine"), "")
        complain(lines, code, output.decode(errors="replace"))
        return result(lines, lost(container, gone) if gone else None)


@contextmanager
def begun(suites: tuple[Path, ...], scratch: Path) -> Iterator[Suites]:
    """`scratch` is an empty folder for what pytest needs and writes."""
    results = scratch / "results.jsonl"
    results.touch()
    words = command(results, suites, scratch)
    with process.begun(words, env=environment(), cwd=scratch, argument="--subject") as pytest:
        yield Suites(pytest, results)


def command(results: Path, suites: tuple[Path, ...], scratch: Path) -> list[str | Path]:
    """Nothing of the caller's folder or configuration may change what the suites do."""
    settings = scratch / "pytest.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")
    python = [sys.executable, "-P", "-B", "-m", "pytest", "-q", "--strict-markers"]
    where: list[str | Path] = ["-c", settings, "--rootdir", scratch, "--import-mode", "importlib"]
    plugins = ["-p", "builder.verify.plugin", "-p", "no:cacheprovider"]
    return [*python, *where, *plugins, "--results", results, *suites]


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
