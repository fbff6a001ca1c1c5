"""The suites' own process, without an engine: what it reports, and what the runner makes of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.controls.catalogue import BY_KEY
from builder.errors import EngineError, InputError, ToolError
from builder.model.contract import RunContract
from builder.model.report import CheckResult, Outcome
from builder.model.spec import State
from builder.verify.live import LiveResult, not_run
from builder.verify.runner import probe_contract, unprobed
from builder.verify.seccomp.facts import probe_calls
from builder.verify.seccomp.profile import allowed, make_profile
from builder.verify.subject import Subject, make_subject
from builder.verify.suites import begun
from tests.unit.verify.parts import LOCK, make_plan

CONTRACT = RunContract(
    image="temper/probe:hardened", name="probe", user="65532:65532", workdir="/", env=(("A", "b"),),
    entrypoint=("/usr/bin/httpd",), cmd=(), ports=(8000,), tmpfs=(),
    state=(State(path="/models", mode="rw"),), memory="128m", pids=64, cpus=0.5, shm="16m",
    stop_signal="SIGTERM",
)  # fmt: skip


class Container:
    id = "abc"

    def __init__(self, running: bool = True) -> None:
        self.running = running

    def inspect(self) -> dict[str, Any]:
        return {"State": {"Running": self.running, "ExitCode": 137}, "HostConfig": {"Memory": 5}}

    def logs(self) -> bytes:
        return b"starting\nKilled\n"

    def open_session(self, *_: object) -> Any:
        raise AssertionError


def subject(**changes: Any) -> Subject:
    told = {
        "container": "abc",
        "held": "",
        "inspected": Container().inspect(),
        "known": tuple(BY_KEY),
        **changes,
    }
    return make_subject(make_plan(), CONTRACT, Path("/nowhere"), LOCK, **told)


def run(tmp_path: Path, source: str, *, running: bool = True, **changes: Any) -> LiveResult:
    suite = tmp_path / "suites" / "test_probe.py"
    suite.parent.mkdir()
    suite.write_text("import os, pytest\n" + source)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with begun((suite.parent,), scratch) as suites:
        return suites.look(subject(**changes), Container(running))  # type: ignore[arg-type]


def rows(found: tuple[CheckResult, ...]) -> list[tuple[str, str, str]]:
    return [(check.name, check.outcome.value, check.message) for check in found]


def test_every_way_a_test_can_end(tmp_path: Path) -> None:
    live = run(
        tmp_path,
        """
@pytest.mark.parametrize("value", ["a b"])
def test_it_holds(value): pass
def test_it_does_not(): assert 1 == 2, "one is not two"
def test_bare(): assert 1 == 2
def test_error(): raise ValueError("odd")
def test_skipped(): pytest.skip("no reason to")
@pytest.mark.xfail(reason="known")
def test_expected(): assert False
@pytest.mark.xfail(reason="known")
def test_unexpected(): pass
@pytest.fixture
def broken(): raise OSError("no such thing")
def test_set_up(broken): pass
@pytest.fixture
def leaves():
    yield
    raise OSError("left over")
def test_tear_down(leaves): pass
""",
    )
    assert rows(live.suites) == [
        ("probe: it holds (a b)", "passed", ""),
        ("probe: it does not", "failed", "one is not two"),
        ("probe: bare", "failed", "assert 1 == 2"),
        ("probe: error", "failed", "ValueError: odd"),
        ("probe: skipped", "not run", "no reason to"),
        ("probe: expected", "not assessed", "expected to fail: known"),
        ("probe: unexpected", "not assessed", "expected to fail: known"),
        ("probe: set up", "failed", "OSError: no such thing"),
        ("probe: tear down", "passed", ""),
        ("probe: tear down", "failed", "OSError: left over"),
    ]
    assert (live.controls, live.not_run) == ({}, ())


def test_a_test_proves_the_controls_that_the_profile_asks_for(tmp_path: Path) -> None:
    live = run(
        tmp_path,
        """
@pytest.mark.control("no-shell", "no-setuid")
def test_two(): pass
@pytest.mark.control("no-shell", "max-size")
def test_one_is_asked_for(): assert False, "x"
@pytest.mark.control("max-size")
def test_none_is_asked_for(): assert False
""",
    )
    assert {key: rows(checks) for key, checks in live.controls.items()} == {
        "no-setuid": [("probe: two", "passed", "")],
        "no-shell": [("probe: two", "passed", ""), ("probe: one is asked for", "failed", "x")],
    }
    assert live.suites == ()


def test_nothing_that_applies_is_said(tmp_path: Path) -> None:
    live = run(tmp_path, '@pytest.mark.control("max-size")\ndef test_a(): pass\n')
    assert live == LiveResult(not_run=("live suites: none of their tests applies to this profile",))


def test_tests_of_a_program_that_ended_are_not_run(tmp_path: Path) -> None:
    live = run(tmp_path, "@pytest.mark.program\ndef test_a(): assert False\n", held="it ran to its end")
    assert rows(live.suites) == [("probe: a", "not run", "it ran to its end")]


def test_the_suites_see_what_they_were_told(tmp_path: Path) -> None:
    live = run(
        tmp_path,
        """
def test_a(contract, inspected, subject):
    assert contract.ports == (8000,) and contract.state[0].path == "/models"
    assert inspected["HostConfig"]["Memory"] == 5
    assert subject.packages == ("libc6",) and subject.locked == ("libc6 2.41-12",)
""",
    )
    assert rows(live.suites) == [("probe: a", "passed", "")]


ENGINE_GONE = """
def test_a(): pass
def test_b():
    from builder.errors import EngineError
    raise EngineError("it went away")
def test_c(): pass
"""


def test_an_engine_that_is_gone_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as error:
        run(tmp_path, ENGINE_GONE)
    assert str(error.value) == "the engine broke off the live suites: it went away"


def test_a_container_that_ended_is_one(tmp_path: Path) -> None:
    live = run(tmp_path, ENGINE_GONE, running=False)
    said = "it ended with exit code 137 during the suites: starting; Killed"
    assert rows(live.suites) == [
        ("start: the container keeps running", "failed", said),
        ("probe: a", "passed", ""),
    ]
    assert live.not_run == ("2 of 3 live tests: the container ended before them",)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def test_a(:\n", "SyntaxError: invalid syntax"),
        ("import nowhere\n", "ModuleNotFoundError: No module named 'nowhere'"),
        ("@pytest.mark.contrl('x')\ndef test_a(): pass\n",
         "'contrl' not found in `markers` configuration option"),
    ],
)  # fmt: skip
def test_a_suite_with_a_mistake_is_its_authors_matter(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        run(tmp_path, source)
    path = tmp_path / "suites" / "test_probe.py"
    assert str(error.value) == f"{path}: this suite can't be read: {message}"


def test_a_marker_with_a_misspelt_control_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        run(tmp_path, '@pytest.mark.control("no-shel")\ndef test_a(): pass\n')
    path = tmp_path / "suites" / "test_probe.py"
    assert str(error.value) == (
        f"{path}: this suite can't be read: control 'no-shel' does not exist; did you mean 'no-shell'?"
    )


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("def test_a(): os._exit(0)\n", "0"),
        ("def test_a(): os.abort()\n", "-6"),
        ("def test_a(): raise KeyboardInterrupt\n", "2"),
    ],
)
def test_a_run_that_is_cut_off_is_no_verdict(tmp_path: Path, source: str, code: str) -> None:
    with pytest.raises(ToolError) as error:
        run(tmp_path, "def test_first(): pass\n" + source)
    assert str(error.value).startswith(f"the live suites were cut off: pytest ended with {code}: ")


def test_the_callers_pytest_settings_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--nonsense")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
    (tmp_path / "builder.py").write_text("raise SystemExit('shadowed')\n")
    assert rows(run(tmp_path, "def test_a(): pass\n").suites) == [("probe: a", "passed", "")]


def test_the_toolbox_is_in_nothing_that_the_engine_was_told() -> None:
    bind, tool = {"Target": "/models"}, {"Target": "/.toolbox"}
    found = unprobed(
        {
            "Id": "x",
            "HostConfig": {
                "Binds": ["/a:/.toolbox:ro", "/d:/.toolbox/traces", "/b:/c"],
                "Mounts": [bind, tool, {"Target": "/.toolbox/traces"}],
                "SecurityOpt": ["no-new-privileges:true"],
                "Memory": 1,
            },
            "Mounts": [{"Destination": "/.toolbox"}, {"Destination": "/models"}],
        },
        CONTRACT,
    )
    assert found["HostConfig"] == {
        "Binds": ["/b:/c"],
        "Mounts": [bind],
        "SecurityOpt": ["no-new-privileges:true"],
        "Memory": 1,
    }
    assert found["Mounts"] == [{"Destination": "/models"}]
    assert unprobed({"HostConfig": {"Binds": None}}, CONTRACT)["Mounts"] == []


def test_a_profile_has_room_for_the_probes_and_the_suites_see_the_contracts() -> None:
    contract = replace(CONTRACT, seccomp=make_profile([("the program", frozenset({"read"}))], "x86_64"))
    probed = probe_contract(contract)
    assert allowed(probed.seccomp) == probe_calls()
    told = {"HostConfig": {"SecurityOpt": ["no-new-privileges:true", f"seccomp={probed.seccomp}"]}}
    seen = unprobed(told, contract)["HostConfig"]["SecurityOpt"]
    assert seen == ["no-new-privileges:true", f"seccomp={contract.seccomp}"]
    assert probe_contract(CONTRACT) == CONTRACT


def test_no_engine_is_told_as_such() -> None:
    live = not_run("no container engine answers")
    assert live.not_run == ("live suites: no container engine answers",)
    assert not live.ran


def test_outcomes_read_back_as_they_were_written() -> None:
    text = subject().model_dump_json(by_alias=True)
    assert Subject.model_validate_json(text) == subject()
    assert Outcome("not run") is Outcome.NOT_RUN
