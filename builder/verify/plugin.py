"""The pytest plugin of the suites: their fixtures, the marker `control`, and the results file.

Suites are run with `-p builder.verify.plugin`; testinfra's own plugin is switched off, since its `host`
knows no container without a shell.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from builder.errors import EngineError
from builder.image.engine import Engine, import_sdk
from builder.model.contract import RunContract
from builder.model.image import Image
from builder.model.report import Outcome
from builder.names import suggestion
from builder.packages.store import Store
from builder.verify import proc
from builder.verify.backend import ContainerHost, make_host
from builder.verify.inside import Inside, Program
from builder.verify.live import Line
from builder.verify.session import MOUNT, Shell
from builder.verify.subject import Subject

SUBJECT = pytest.StashKey[Subject]()
RESULTS = pytest.StashKey[Path]()
INSIDE = pytest.StashKey[Inside]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("temper")
    told = "JSON about the container, by the runner; a pipe, until it is started"
    group.addoption("--subject", type=Path, required=True, help=told)
    group.addoption("--results", type=Path, required=True, help="where to write a JSON line per test")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "control(key, ...): the test proves these controls")
    config.addinivalue_line("markers", "program: the test looks at the image's own program while it runs")
    config.addinivalue_line("markers", "python(text, argument, ..., stays=False): a program for `answer`")
    config.stash[RESULTS] = config.getoption("--results")


def write(config: pytest.Config, line: Line) -> None:
    """Appended at once, so that a crash loses nothing of what came before it."""
    with config.stash[RESULTS].open("a", encoding="utf-8") as file:
        file.write(line.model_dump_json(by_alias=True) + "\n")


def keys(item: pytest.Item) -> tuple[str, ...]:
    return tuple(str(key) for mark in item.iter_markers("control") for key in mark.args)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps what the profile asks for: a test of a control that is off would fail for no fault."""
    import_sdk()
    config.stash[SUBJECT] = Subject.model_validate_json(config.getoption("--subject").read_text())
    check_keys(config, items)
    asked = set(config.stash[SUBJECT].controls)
    chosen = [item for item in items if not keys(item) or asked.intersection(keys(item))]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = sorted(chosen, key=lambda item: program_of(item) is not None)  # theirs is a wait
    for item in items:
        item.user_properties.append(("controls", [key for key in keys(item) if key in asked]))
    write(config, Line(kind="planned", count=len(items)))
    config.stash[INSIDE] = begin_inside(config.stash[SUBJECT], items)


def begin_inside(told: Subject, items: list[pytest.Item]) -> Inside:
    """What tests ask of the image's Python. Under a seccomp profile there is no room for our own calls."""
    shown = [item for item in items if not (told.held and item.get_closest_marker("program"))]
    asked = [program for item in shown if (program := program_of(item))] if told.python else []
    alone = bool(told.tracer or told.contract.seccomp)
    return Inside(partial(opened, told), f"python{told.python}", asked, alone=alone)


def program_of(item: pytest.Item) -> Program | None:
    mark = item.get_closest_marker("python")
    return Program.of(*mark.args, **mark.kwargs) if mark else None


@contextmanager
def opened(told: Subject) -> Iterator[Shell]:
    with Engine.connect() as engine:
        shell = Shell(engine.container(told.container), tracer=told.tracer)
        with closing(shell):
            yield shell


def check_keys(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A misspelt control would drop its test without a word."""
    known = config.stash[SUBJECT].known
    wrong = {(item.path, key) for item in items for key in keys(item) if key not in known}
    for path, key in sorted(wrong):
        said = f"control '{key}' does not exist{suggestion(key, known)}"
        write(config, Line(kind="collect", name=str(path), message=said))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    report = yield
    if report.failed:
        write(collector.config, Line(kind="collect", name=str(collector.path), message=report.longreprtext))
    return report


def pytest_runtest_setup(item: pytest.Item) -> None:
    held = item.config.stash[SUBJECT].held
    if held and item.get_closest_marker("program"):
        pytest.skip(held)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if call.excinfo is not None and call.excinfo.errisinstance(EngineError):
        write(item.config, Line(kind="engine", message=str(call.excinfo.value)))
        item.session.shouldstop = "the engine or the container is gone"
    elif line := line_of(item, report, call):
        write(item.config, line)
    return report


def line_of(item: pytest.Item, report: pytest.TestReport, call: pytest.CallInfo[None]) -> Line | None:
    """A test that passed has one line, from its call; set-up and tear-down speak when they don't pass."""
    if report.passed and report.when != "call":
        return None
    found = outcome(report)
    return Line(
        kind="test",
        node=f"{item.path}::{item.name}",
        name=readable(item.path, item.name),
        controls=tuple(dict(report.user_properties).get("controls", ())),  # type: ignore[arg-type]
        outcome=found,
        message="" if found is Outcome.PASSED else message(report, call),
        seconds=round(report.duration, 3),
    )


def outcome(report: pytest.TestReport) -> Outcome:
    """A test that was expected to fail has proven nothing, whichever way it ended."""
    if hasattr(report, "wasxfail"):
        return Outcome.NOT_ASSESSED
    if report.skipped:
        return Outcome.NOT_RUN
    return Outcome.PASSED if report.passed else Outcome.FAILED


def message(report: pytest.TestReport, call: pytest.CallInfo[None]) -> str:
    """The assertion's own words: a tired engineer wants these, not the traceback."""
    if hasattr(report, "wasxfail"):
        return f"expected to fail: {report.wasxfail}"
    if call.excinfo is None:
        return report.longreprtext.strip()
    text = str(call.excinfo.value).partition("\nassert ")[0].strip() or call.excinfo.typename
    if report.skipped or call.excinfo.errisinstance(AssertionError):
        return text
    return f"{call.excinfo.typename}: {text}"


def readable(path: Path, test: str) -> str:
    """`test_users.py` and `test_it_runs[a]` -> `users: it runs (a)`."""
    name, bracket, parameter = test.partition("[")
    words = name.removeprefix("test_").replace("_", " ")
    suite = path.stem.removeprefix("test_")
    return f"{suite}: {words}" + (f" ({parameter.removesuffix(']')})" if bracket else "")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    write(session.config, Line(kind="finished", count=int(exitstatus)))


@pytest.fixture(scope="session")
def subject(pytestconfig: pytest.Config) -> Subject:
    return pytestconfig.stash[SUBJECT]


@pytest.fixture(scope="session")
def contract(subject: Subject) -> RunContract:
    """How the container was meant to be started."""
    return subject.contract


@pytest.fixture(scope="session")
def inspected(subject: Subject) -> dict[str, Any]:
    """What the engine was really told: its answer about the container, by its own names (`HostConfig`)."""
    return subject.inspected


@pytest.fixture(scope="session")
def shell(subject: Subject) -> Iterator[Shell]:
    with opened(subject) as shell:
        yield shell


@pytest.fixture(scope="session")
def host(subject: Subject, shell: Shell) -> ContainerHost:
    """testinfra's host, inside the container."""
    return make_host(subject.container[:12], shell)


@pytest.fixture
def answer(request: pytest.FixtureRequest, subject: Subject) -> Any:
    """What the test's program (`@pytest.mark.python`) printed as JSON in the image's Python."""
    program = program_of(request.node)
    assert program, "the test has no marker `python` with a program"  # noqa: S101 - its author is told
    if subject.python is None:
        pytest.skip("the image has no Python")
    done = request.config.stash[INSIDE].done(program)
    assert done.code == 0, done.complaint  # noqa: S101 - the test fails
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def image(subject: Subject) -> Image:
    """The finished image, for statements about the whole tree: as the audit has just read it back."""
    from builder.image.layout import read_layout  # noqa: PLC0415 - few suites ask for it
    from builder.image.memory import LARGE, Memory  # noqa: PLC0415

    return read_layout(Path(subject.layout), memory=Memory(store=Store.default(), believe=LARGE))


@pytest.fixture(scope="session")
def pid1(host: ContainerHost) -> proc.Status:
    """What the kernel holds the container's first process to."""
    return proc.Status.parse(host.check_output("cat /proc/1/status"))


@pytest.fixture(scope="session")
def mounts(host: ContainerHost) -> tuple[proc.Mount, ...]:
    """Of the container, without the toolbox's own."""
    found = proc.mounts(host.check_output("cat /proc/mounts"))
    return tuple(mount for mount in found if not f"{mount.path}/".startswith(f"{MOUNT}/"))
