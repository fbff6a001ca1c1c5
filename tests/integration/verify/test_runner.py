"""The suites against a sound image, against images that break one thing each, and against what goes wrong."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from builder.errors import EngineError, InputError, ToolError
from builder.image import engine as engine_module
from builder.image import running
from builder.image.engine import Engine
from builder.image.leftovers import LABEL, session
from builder.image.running import Container, Mount
from builder.model.contract import RunContract
from builder.model.report import CheckResult, Outcome
from builder.model.spec import Healthcheck
from builder.model.tree import Entry
from builder.verify.live import LiveResult
from builder.verify.runner import verify
from tests.integration.images.test_live_mutants import MUTANTS as OF_PYTHON
from tests.integration.verify.conftest import GROUP, LOCK, PASSWD, SUITES, Build, Built, file, folder
from tests.unit.controls.test_live import MUTANTS as RECORDED

pytestmark = pytest.mark.docker


def checks(live: LiveResult) -> list[CheckResult]:
    return [*live.suites, *(check for found in live.controls.values() for check in found)]


def failed(live: LiveResult) -> set[str]:
    """Keys of the controls that failed, and names of the other checks that did."""
    keys = {
        key for key, found in live.controls.items() if any(one.outcome is Outcome.FAILED for one in found)
    }
    return keys | {check.name for check in live.suites if check.outcome is Outcome.FAILED}


def failed_checks(live: LiveResult) -> set[str]:
    return {check.name for check in checks(live) if check.outcome is Outcome.FAILED}


def run(engine: Engine, built: Built, toolbox: Path, *suites: Path) -> LiveResult:
    return verify(engine, built.layout, built.contract, built.plan, toolbox, suites or (SUITES,), lock=LOCK)


def test_the_sound_image_passes_every_suite(engine: Engine, probe: Built, toolbox: Path) -> None:
    live = run(engine, probe, toolbox)
    assert failed(live) == set()
    assert len([check for check in checks(live) if check.outcome is Outcome.PASSED]) >= 60
    assert live.not_run == ()
    unproven = {check.message for check in checks(live) if check.outcome is not Outcome.PASSED}
    assert unproven <= {
        "the image has no Python",
        "the image has no health check",
        "this host has neither AppArmor nor SELinux",
    }


def program(path: str, busybox: Path) -> Entry:
    return file(path, busybox.read_bytes(), 0o755)


def hidden_root(text: str) -> str:
    return text.replace("nonroot:x:65532:65532", "nonroot:x:65531:65532")


MUTANTS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "nonroot-user": lambda _: {"user": "0:0"},
    "user-resolves": lambda _: {"entries": (file("etc/passwd", hidden_root(PASSWD)),)},
    "unique-ids": lambda _: {"entries": (file("etc/group", GROUP + "twin:x:44:\n"),)},
    "no-login-shells": lambda _: {
        "entries": (file("etc/passwd", PASSWD.replace("/sbin/nologin", "/usr/bin/httpd", 1)),)
    },
    "account-files": lambda _: {"entries": (file("etc/group", GROUP, 0o666),)},
    "package-set": lambda _: {
        "entries": (file("var/lib/dpkg/status.d/probe", "Package: other\nVersion: 1\nArchitecture: all\n"),)
    },
    "scanner-metadata": lambda _: {"entries": (file("etc/os-release", "ID=debian\n"),)},
    "no-package-manager": lambda busybox: {"entries": (program("usr/bin/rpm", busybox),)},
    "no-shell": lambda busybox: {"entries": (program("usr/bin/sh", busybox),)},
    "no-download-tools": lambda busybox: {"entries": (program("usr/bin/wget", busybox),)},
    "no-privilege-tools": lambda busybox: {"entries": (program("usr/bin/su", busybox),)},
    "code-owned-by-root": lambda _: {"entries": (folder("usr/lib", 0o777),)},
    "safe-path": lambda _: {"env": (("LD_PRELOAD", "/x.so"), ("PATH", "/usr/bin:/bin"), ("PROBE", "a b=c"))},
    "declared-ports": lambda _: {"cmd": ("-p", "8001", "-h", "/srv")},
}  # fmt: skip
"""Control -> what breaks it live and nothing else."""


@pytest.mark.parametrize("key", MUTANTS)
def test_a_suite_catches_the_mutant_of_its_control(
    engine: Engine, build: Build, busybox: Path, toolbox: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.verify.start.READY_WITHIN", 0.5)  # one mutant never opens its port
    live = run(engine, build(**MUTANTS[key](busybox)), toolbox)
    consequences = {
        "nonroot-user": {
            "account-files",
            "declared-writable",
            "no-root-group",
        },  # root reads shadow and writes /dev
        "declared-ports": {"start: the container runs under its contract"},
    }
    assert key in failed(live)
    assert failed(live) - {key} <= consequences.get(key, set())


@dataclass
class Loosened:
    """An engine that is told something else than the contract."""

    engine: Engine
    changes: dict[str, Any]

    def start(
        self,
        contract: RunContract,
        *,
        mounts: Sequence[Mount],
        interactive: bool = False,
        program: Sequence[str] = (),
    ) -> AbstractContextManager[Container]:
        def arguments(*asked: Any) -> dict[str, Any]:
            told = {**running.engine_arguments(*asked), **self.changes}
            return {name: value for name, value in told.items() if value is not None}

        return patched(
            arguments, self.engine.start(contract, mounts=mounts, interactive=interactive, program=program)
        )


class patched(AbstractContextManager[Container]):  # noqa: N801 - reads as a function
    def __init__(self, arguments: Any, inner: AbstractContextManager[Container]) -> None:
        self._arguments, self._inner = arguments, inner

    def __enter__(self) -> Container:
        original = engine_module.engine_arguments
        engine_module.engine_arguments = self._arguments
        try:
            return self._inner.__enter__()
        finally:
            engine_module.engine_arguments = original

    def __exit__(self, *error: Any) -> bool | None:
        return self._inner.__exit__(*error)


LOOSE_LIMITS = {
    "mem_limit": "256m",
    "memswap_limit": "512m",
    "pids_limit": None,
    "nano_cpus": None,
    "shm_size": "64m",
    "working_dir": "/etc",
    "environment": ["PROBE=other"],
    "restart_policy": {"Name": "always"},
}
CAUGHT_LIMITS = {
    "contract: memory is limited",
    "contract: swap adds nothing to it",
    "contract: processes are limited",
    "contract: processor time is limited",
    "contract: shared memory is limited",
    "contract: the working directory is as in the contract",
    "contract: the restart policy is bounded",
    "processes: the environment is that of the image",
}
LOOSE_PRIVILEGES = {"cap_drop": None, "cap_add": ["NET_RAW"], "security_opt": ["seccomp=unconfined"]}
CAUGHT_PRIVILEGES = {
    "contract: there are no capabilities (Bnd)",
    "contract: the engine was told to drop all capabilities",
    "contract: no new privileges",
    "contract: a seccomp filter is active",
    "processes: every process has no new privileges",
    "processes: every process is under seccomp",
}
LOOSE_WALLS = {
    "read_only": False,
    "ipc_mode": "host",
    "uts_mode": "host",
    "devices": ["/dev/zero:/dev/extra:r"],
    "volumes": ["/var/run/docker.sock:/var/run/docker.sock"],
    "tmpfs": {"/tmp": "size=9m,uid=65532", "/run": "size=8m,exec,uid=65532"},
}
CAUGHT_WALLS = {
    "contract: the root is read only",
    "contract: no namespace is shared with the host (IpcMode)",
    "contract: no namespace is shared with the host (UTSMode)",
    "contract: there are no devices but the usual",
    "contract: nothing else is mounted",
    "contract: the socket of the engine is out of reach",
    "contract: scratch space is what the contract says",
    "contract: shared memory is limited",  # the host's own
    "contract: mandatory access control holds it",  # Docker turns labels off for the host's IPC
}


@pytest.mark.parametrize(
    ("changes", "caught"),
    [
        pytest.param(LOOSE_LIMITS, CAUGHT_LIMITS, id="limits"),
        pytest.param(LOOSE_PRIVILEGES, CAUGHT_PRIVILEGES, id="privileges"),
        pytest.param(LOOSE_WALLS, CAUGHT_WALLS, id="walls"),
    ],
)
def test_the_suites_catch_an_engine_that_was_told_something_else(
    engine: Engine, probe: Built, toolbox: Path, changes: dict[str, Any], caught: set[str]
) -> None:
    """Several changes in one container: each has a check of its own, and no other check fails."""
    loosened: Any = Loosened(engine, changes)
    live = run(loosened, probe, toolbox, SUITES / "test_contract.py", SUITES / "test_processes.py")
    assert failed_checks(live) == caught


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("exec-entrypoint", {"entrypoint": ["/usr/bin/httpd", "-f", "-p", "8000"], "command": ["-h", "/"]}),
        ("declared-writable", {"tmpfs": {"/tmp": "size=8m", "/run": "size=8m,exec"}}),
    ],
)
def test_a_suite_catches_a_start_that_breaks_its_control(
    engine: Engine, probe: Built, toolbox: Path, key: str, changes: dict[str, Any]
) -> None:
    """For controls that an image alone can't break live: the engine is told something else."""
    loosened: Any = Loosened(engine, changes)
    suites = [SUITES / f"test_{name}.py" for name in ("users", "packages", "files", "processes")]
    assert failed(run(loosened, probe, toolbox, *suites)) == {key}


NEEDS_PYTHON = {key for key, _, _ in OF_PYTHON}
"""Their tests skip in an image without Python: mutants of the built `python` image prove them."""


def test_every_control_that_a_suite_speaks_of_has_a_mutant() -> None:
    marks = {
        key
        for path in SUITES.glob("test_*.py")
        for found in re.findall(r"mark\.control\(([^)]*)\)", path.read_text())
        for key in re.findall(r'"([^"]+)"', found)
    }
    started = {"exec-entrypoint", "declared-writable", "healthcheck"}
    assert marks == {*MUTANTS, *started, *NEEDS_PYTHON, *(key for key, _, _ in RECORDED)}


def test_the_suites_catch_a_privileged_container_among_the_hosts_processes(
    engine: Engine, probe: Built, toolbox: Path
) -> None:
    loosened: Any = Loosened(engine, {"privileged": True, "pid_mode": "host", "cap_drop": None})
    live = run(loosened, probe, toolbox, SUITES / "test_contract.py")
    assert {
        "contract: it is not privileged",
        "contract: no namespace is shared with the host (PidMode)",
        "contract: there are no devices but the usual",
        "contract: kernel settings cannot be written",
    } <= failed_checks(live)


def test_a_profile_without_a_control_does_not_run_its_tests(
    engine: Engine, build: Build, busybox: Path, toolbox: Path
) -> None:
    built = build(entries=(program("usr/bin/sh", busybox),), keys=["nonroot-user"])
    live = run(engine, built, toolbox, SUITES / "test_files.py", SUITES / "test_users.py")
    assert set(live.controls) == {"nonroot-user"}
    assert failed(live) == set()


def test_a_program_that_runs_to_its_end_leaves_its_tests_not_run(
    engine: Engine, build: Build, busybox: Path, toolbox: Path
) -> None:
    job = build(entries=(program("usr/bin/true", busybox),), entrypoint=("/usr/bin/true",), cmd=(), ports=())
    live = run(engine, job, toolbox)
    assert live.suites[0] == CheckResult(
        name="start: the container runs under its contract",
        outcome=Outcome.PASSED,
        message="it ran to its end (exit code 0)",
    )
    assert failed(live) == set()
    [entrypoint] = live.controls["exec-entrypoint"]
    assert entrypoint.outcome is Outcome.NOT_RUN
    assert entrypoint.message == "the image's program ran to its end at once (exit code 0)"


def test_a_container_that_ends_with_an_error_is_a_failed_check(
    engine: Engine, build: Build, toolbox: Path
) -> None:
    live = run(engine, build(cmd=("-p", "nothing")), toolbox)
    assert live.suites[0].outcome is Outcome.FAILED
    assert live.suites[0].message.startswith("it ended with exit code 1: httpd: ")


def test_a_container_that_ends_during_the_suites_is_a_failed_check(
    engine: Engine, build: Build, busybox: Path, toolbox: Path, tmp_path: Path
) -> None:
    suite = tmp_path / "test_ends.py"
    suite.write_text(
        "def test_a(host):\n    assert host.run('true').rc == 0\n"
        "def test_b(host):\n    host.run('sleep 30')\n"
        "def test_c(host):\n    assert host.run('true').rc == 0\n"
        "def test_d(host):\n    assert host.run('true').rc == 0\n"
    )
    short = build(
        entries=(program("usr/bin/sleep", busybox),), entrypoint=("/usr/bin/sleep", "5"), cmd=(), ports=()
    )
    live = run(engine, short, toolbox, suite)
    assert [(check.name, check.outcome.value, check.message) for check in live.suites] == [
        ("start: the container runs under its contract", "passed", ""),
        (
            "start: the container keeps running",
            "failed",
            "it ended with exit code 0 during the suites: it logged nothing",
        ),
        ("ends: a", "passed", ""),
        (
            "ends: b",
            "failed",
            "SessionLost: the probe shell ended during 'sleep 30': it said nothing",
        ),
    ]
    assert live.not_run == ("2 of 4 live tests: the container ended before them",)


def test_an_engine_that_is_gone_is_no_verdict(
    engine: Engine, probe: Built, toolbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The suites' process finds no engine; the runner's own connection says that the container still runs."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(EngineError) as error:
        run(engine, probe, toolbox)
    assert str(error.value) == (
        "the engine broke off the live suites: no container engine at 'unix:///nowhere/docker.sock': "
        "nothing is there; start Docker or Podman, or set DOCKER_HOST"
    )


def test_a_suite_with_a_mistake_is_its_authors_matter(
    engine: Engine, probe: Built, toolbox: Path, tmp_path: Path
) -> None:
    suite = tmp_path / "test_broken.py"
    suite.write_text("def test_a(:\n")
    with pytest.raises(InputError) as error:
        run(engine, probe, toolbox, suite)
    assert str(error.value) == f"{suite}: this suite can't be read: SyntaxError: invalid syntax"


def test_a_crash_of_pytest_is_no_verdict(engine: Engine, probe: Built, toolbox: Path, tmp_path: Path) -> None:
    suite = tmp_path / "test_crash.py"
    suite.write_text("import os\ndef test_a():\n    pass\ndef test_b():\n    os._exit(0)\n")
    with pytest.raises(ToolError) as error:
        run(engine, probe, toolbox, suite)
    assert str(error.value).startswith("the live suites were cut off: pytest ended with 0: ")


def test_a_toolbox_that_can_not_be_run_is_no_verdict(engine: Engine, probe: Built, tmp_path: Path) -> None:
    (tmp_path / "busybox").write_bytes(b"")
    with pytest.raises(EngineError, match=r"^the probe shell does not start; "):
        run(engine, probe, tmp_path)


def own_containers(engine: Engine) -> set[str]:
    """Of this process: others may be at work in the same engine."""
    own = {"label": f"{LABEL}={session()}"}
    return {one["Id"] for one in engine._api.containers(all=True, filters=own)}


def test_no_container_is_left_behind(engine: Engine, probe: Built, toolbox: Path, tmp_path: Path) -> None:
    suite = tmp_path / "test_interrupt.py"
    suite.write_text("import pytest\ndef test_a():\n    raise KeyboardInterrupt\n")
    before = own_containers(engine)
    with pytest.raises(ToolError) as error:
        run(engine, probe, toolbox, suite)
    assert str(error.value).startswith("the live suites were cut off: pytest ended with 2: ")
    assert own_containers(engine) == before


def test_the_images_health_check_is_waited_for(engine: Engine, build: Build, toolbox: Path) -> None:
    built = build()
    health = Healthcheck(command=("/usr/bin/httpd", "--nonsense"), start_period=1)
    spec = built.plan.spec.model_copy(update={"healthcheck": health})
    broken = replace(built, plan=replace(built.plan, spec=spec))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builder.verify.start.READY_WITHIN", 0.2)
        live = run(engine, broken, toolbox, SUITES / "test_processes.py")
    assert failed(live) == {"start: the container runs under its contract", "healthcheck"}
    assert live.suites[0].message.startswith("not ready after 1 s: the health check ends with 1: ")
