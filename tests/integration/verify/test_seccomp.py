"""Recording and fitting, on the small image: a web server that is a static busybox."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from builder.fitting import fitted_profile
from builder.image.engine import Engine
from builder.image.running import Mount
from builder.model.report import CheckResult, Outcome
from builder.model.structure import StructureTest
from builder.model.tree import Entry, Kind, Rootfs, Slice
from builder.rootfs.elf import facts
from builder.verify.commands import command_checks
from builder.verify.live import LiveResult
from builder.verify.runner import HOLD, probe_contract, verify
from builder.verify.seccomp.facts import default_calls
from builder.verify.seccomp.profile import allowed
from builder.verify.seccomp.trace import read_traces
from builder.verify.seccomp.tracer import make_tracer
from builder.verify.session import BUSYBOX, MOUNT
from builder.verify.toolbox import make_toolbox
from tests.integration.verify.conftest import LOCK, SUITES, Built

pytestmark = pytest.mark.docker
DEBS = ("strace", "libc6", "libunwind8", "liblzma5")


@pytest.fixture(scope="session")
def strace(tmp_path_factory: pytest.TempPathFactory) -> Rootfs:
    """Out of the distribution's packages, by its ordinary client."""
    folder = tmp_path_factory.mktemp("strace")
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(["apt-get", "download", *DEBS], cwd=folder, capture_output=True, check=False)
        for deb in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", deb, folder / "tree"], capture_output=True, check=False)
    if not (folder / "tree/usr/bin/strace").is_file():
        pytest.skip("strace can't be downloaded here")
    return Rootfs().with_entries(entries(folder / "tree"))


def entries(tree: Path) -> Iterator[Entry]:
    """Older packages still have their libraries in /lib."""
    yield Entry(path="lib64", kind=Kind.SYMLINK, mode=0o777, target="usr/lib/x86_64-linux-gnu")
    for path in sorted(tree.rglob("*")):
        name = str(path.relative_to(tree))
        name = f"usr/{name}" if name.startswith("lib/") else name
        if path.is_symlink():
            yield Entry(path=name, kind=Kind.SYMLINK, mode=0o777, target=str(path.readlink()))
        elif path.is_file() and not name.startswith("lib64/"):
            with path.open("rb") as file:
                found = facts(file)
            content = Slice(path=path, offset=0, size=path.stat().st_size, sha256="", facts=found)
            yield Entry(path=name, kind=Kind.FILE, mode=0o755, content=content)


@pytest.fixture(scope="module")
def profile(
    engine: Engine, probe: Built, busybox: Path, strace: Rootfs, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Recorded over the whole suites."""
    tools = make_toolbox(busybox, tmp_path_factory.mktemp("toolbox"), "linux/amd64")
    tracer = make_tracer(strace, tools, "linux/amd64")
    live = verify(
        engine, probe.layout, probe.contract, probe.plan, tools, (SUITES,), lock=LOCK, tracer=tracer
    )
    assert failed(live) == []
    return fitted_profile(read_traces(tracer.folder), "linux/amd64", engine.version(), engine.runtime())


def failed(live: LiveResult) -> list[CheckResult]:
    checks = [*live.suites, *(check for found in live.controls.values() for check in found)]
    return [check for check in checks if check.outcome is Outcome.FAILED]


def run(engine: Engine, built: Built, toolbox: Path, seccomp: str) -> LiveResult:
    contract = replace(built.contract, seccomp=seccomp)
    return verify(engine, built.layout, contract, built.plan, toolbox, (SUITES,), lock=LOCK)


def test_the_runtime_is_known(engine: Engine) -> None:
    name, _, version = engine.runtime().partition(" ")
    assert name in ("runc", "crun")
    assert version[0].isdigit()


def test_the_profile_holds_the_servers_calls_and_not_the_probes(profile: str, engine: Engine) -> None:
    found = allowed(profile)
    assert {"socket", "bind", "listen", "execve", "exit_group", "fstatfs"} <= found
    assert not {"getgroups", "getppid", "utimensat", "ptrace", "unshare"} & found
    assert found <= default_calls("x86_64", engine.version())
    assert len(found) < 75


def test_every_suite_passes_under_it(engine: Engine, probe: Built, toolbox: Path, profile: str) -> None:
    live = run(engine, probe, toolbox, profile)
    assert failed(live) == []
    assert live.suites[0].name == "seccomp: it starts and answers under its profile alone"


def test_a_profile_without_a_call_of_the_server_is_found_out(
    engine: Engine, probe: Built, toolbox: Path, profile: str
) -> None:
    data = json.loads(profile)
    for rule in data["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name != "listen"]
    names = [check.name for check in failed(run(engine, probe, toolbox, json.dumps(data)))]
    assert names[0] == "seccomp: it starts and answers under its profile alone"


def test_what_is_not_in_it_ends_with_enosys(
    engine: Engine, probe: Built, toolbox: Path, profile: str
) -> None:
    contract = probe_contract(replace(probe.contract, seccomp=profile))
    with engine.start(contract, mounts=[Mount(source=toolbox, target=MOUNT)], program=HOLD) as container:
        done = container.exec([BUSYBOX, "unshare", "-U", "true"])
    assert done.code != 0
    assert b"Function not implemented" in done.stderr


def test_a_structure_test_runs_its_commands(engine: Engine, probe: Built, toolbox: Path) -> None:
    """On an image without a shell; what one test leaves, the next one does not find."""
    tests = StructureTest.model_validate(
        {
            "schemaVersion": "2.0.0",
            "commandTests": [
                {"name": "usage", "command": "httpd", "args": ["--help"], "expectedError": ["Usage: httpd"]},
                {"name": "no shell", "command": "sh", "args": ["-c", "true"], "exitCode": 127},
                {"name": "no ls", "command": "ls", "expectedOutput": ["usr"]},
            ],
        },
        strict=False,
    )
    mounts = [Mount(source=toolbox, target=MOUNT)]
    start = partial(engine.start, probe_contract(probe.contract), mounts=mounts, program=HOLD)
    usage, shell, ls = command_checks(tests, start, probe.contract.env)
    assert (usage.name, usage.outcome, usage.message) == ("structure: usage", Outcome.PASSED, "")
    assert shell.outcome is Outcome.PASSED
    assert ls.message == (
        "it ends with 127, not 0: ls: not found in the image; its output does not hold 'usr'"
    )
