"""The live suites over what a real engine and kernel said of a container, without either of them.

`tests/cases/live/recorded.json` was recorded once from a container started by the sound image's contract; a
mutant changes one fact in it. Suites about files, packages and programs have their mutants, as real images,
in `tests/integration/verify`.
"""

import copy
import importlib.util
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from builder.model.contract import RunContract
from builder.model.profile import Ulimit
from builder.verify import proc
from tests.unit.controls.sound import contract

SUITES = Path(__file__).parents[2] / "suites"
RECORDED = Path(__file__).parents[2] / "cases" / "live" / "recorded.json"
FILES = ("test_contract.py", "test_processes.py", "test_users.py")


def recorded_contract() -> RunContract:
    """Of the container that was recorded: its program was Python, which handles SIGINT."""
    limits = (("core", Ulimit(soft=0, hard=0)), ("nofile", Ulimit(soft=1024, hard=1024)))
    known = replace(contract(), sysctls=(("net.core.somaxconn", "1234"),))
    return replace(known, ulimits=limits, workdir="/", stop_signal="SIGINT", entrypoint=("python3",))


@dataclass
class Facts:
    """What an engine and a kernel say; changed in place by mutants."""

    inspected: dict[str, Any]
    files: dict[str, str | None]
    """Path in the container -> what reading it gives; `None` where that fails."""
    dev: list[str]

    def tell(self, **changes: Any) -> None:
        self.inspected["HostConfig"].update(changes)

    def rewrite(self, path: str, old: str, new: str) -> None:
        text = self.files[path] or ""
        assert old in text, f"{path} doesn't hold '{old}'"
        self.files[path] = text.replace(old, new)


def recorded() -> Facts:
    return Facts(**json.loads(RECORDED.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class FakeHost:
    """As much of testinfra's `host` as the contract's suite asks for."""

    facts: Facts

    def run(self, command: str, *arguments: str) -> Any:
        text = command % arguments if arguments else command
        if text == "pwd":
            return SimpleNamespace(rc=0, stdout="/")
        verb, _, path = text.partition(" ")
        assert verb == "cat", text
        found = self.facts.files.get(path)
        return SimpleNamespace(rc=1 if found is None else 0, stdout=found or "", stderr="")

    def check_output(self, command: str, *arguments: str) -> str:
        done = self.run(command, *arguments)
        assert done.rc == 0, command
        return str(done.stdout).rstrip("\n")

    def file(self, path: str) -> Any:
        there = path == "/dev" or self.facts.files.get(path) is not None
        return SimpleNamespace(exists=there, listdir=lambda: self.facts.dev)


def fixtures(facts: Facts) -> dict[str, Any]:
    host = FakeHost(facts)
    status = proc.Status.parse(facts.files["/proc/1/status"] or "")
    first = SimpleNamespace(pid=1, comm="python3", args=("python3",), state="S", status=status)
    return {
        "host": host,
        "contract": recorded_contract(),
        "inspected": facts.inspected,
        "told": facts.inspected["HostConfig"],
        "mounts": proc.mounts(facts.files["/proc/mounts"] or ""),
        "pid1": status,
        "processes": [first],
    }


def suite(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"live_{name.removesuffix('.py')}", SUITES / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, kw_only=True)
class LiveTest:
    name: str
    keys: frozenset[str]
    function: Callable[..., None]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def fails(self, known: Mapping[str, Any]) -> bool:
        wanted = self.function.__code__.co_varnames[: self.function.__code__.co_argcount]
        given = {**known, **self.parameters}
        try:
            self.function(**{name: given[name] for name in wanted})
        except AssertionError:
            return True
        except pytest.skip.Exception:
            return False
        return False


def live_tests() -> Iterator[LiveTest]:
    """Those of the three suites that ask for nothing but what was recorded."""
    known = fixtures(recorded()).keys()
    for module in map(suite, FILES):
        for name, function in vars(module).items():
            if name.startswith("test_"):
                for test in expanded(name, function):
                    wanted = function.__code__.co_varnames[: function.__code__.co_argcount]
                    if set(wanted) <= known | test.parameters.keys():
                        yield test


ONLY_BY_ENGINE = frozenset(
    {"test_the_declared_ports_are_open", "test_no_other_port_is_open", "test_account_files_belong_to_root"}
    | {"test_the_process_cannot_read_the_passwords", "test_the_user_has_a_name", "test_the_group_has_a_name"}
    | {"test_the_home_is_a_directory", "test_only_root_has_user_id_0", "test_names_and_numbers_are_unique"}
    | {"test_no_account_has_a_shell_that_runs"}
)
"""They ask for sockets, account files and the file system, which were not recorded."""


def expanded(name: str, function: Callable[..., None]) -> Iterator[LiveTest]:
    if name in ONLY_BY_ENGINE:
        return
    marks = getattr(function, "pytestmark", [])
    keys = frozenset(str(key) for mark in marks if mark.name == "control" for key in mark.args)
    rows = [[{mark.args[0]: value} for value in mark.args[1]] for mark in marks if mark.name == "parametrize"]
    for row in itertools.product(*rows):
        parameters = {name: value for part in row for name, value in part.items()}
        yield LiveTest(name=name, keys=keys, function=function, parameters=parameters)


@cache
def known_tests() -> tuple[LiveTest, ...]:
    return tuple(live_tests())


SOUND = recorded()


def failed(change: Callable[[Facts], None]) -> set[str]:
    """Keys of the controls whose live tests fail, and names of failing tests of no control."""
    facts = copy.deepcopy(SOUND)
    change(facts)
    known = fixtures(facts)
    return {key for test in known_tests() if test.fails(known) for key in test.keys or {test.name}}
