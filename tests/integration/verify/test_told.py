"""A contract that says something in every field, started by an engine; and engines told otherwise."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from builder.errors import EngineError
from builder.image.engine import Engine
from builder.image.leftovers import LABEL
from builder.image.running import Container, Mount
from builder.model.contract import GpuAccess, RunContract
from builder.model.profile import Device, Ulimit
from builder.model.report import Outcome
from builder.model.scheduling import Mps
from builder.model.spec import State
from builder.render.definition import run_files
from builder.render.mounts import state_mounts
from tests.integration.verify.conftest import SUITES, Built
from tests.integration.verify.test_runner import Loosened, checks, failed, run

pytestmark = pytest.mark.docker

CALLS = """
accept accept4 access arch_prctl bind brk capget capset chdir clock_gettime clone clone3 close close_range
connect dup dup2 dup3 epoll_create1 epoll_ctl epoll_pwait epoll_wait execve exit exit_group faccessat
faccessat2 fchdir fchown fchownat fcntl fork fstat fstatfs fsync ftruncate futex getcwd getdents getdents64
getegid geteuid getgid getgroups getpeername getpgid getpgrp getpid getppid getrandom getresgid getresuid
getsid getsockname getsockopt gettid gettimeofday getuid ioctl kill link listen lseek lstat madvise mkdir
mkdirat mmap mprotect mremap munmap nanosleep newfstatat open openat openat2 pipe pipe2 poll ppoll prctl
pread64 prlimit64 pselect6 pwrite64 read readlink readlinkat readv recvfrom recvmsg rename renameat rmdir
rseq rt_sigaction rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait sched_getaffinity sched_yield
select sendfile sendmsg sendto set_robust_list set_tid_address setgid setgroups setitimer setpgid setresgid
setresuid setsid setsockopt setuid shutdown sigaltstack socket socketpair splice stat statfs statx symlink
sysinfo tgkill time timer_create times tkill umask uname unlink unlinkat utimensat vfork wait4 waitid write
writev
"""
"""What busybox, and an engine that starts it, get along with."""
SECCOMP = {
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [{"action": "SCMP_ACT_ALLOW", "names": CALLS.split()}],
}
SYSCTLS = {"fs.mqueue.msg_max": "20", "kernel.shmmax": "65536", "net.ipv4.tcp_rmem": "4096 87380 99999"}
TELLS = SUITES / "test_told.py"


@pytest.fixture(scope="module")
def full(probe: Built) -> Built:
    if not Path("/dev/fuse").exists():
        pytest.skip("this host has no /dev/fuse to hand on")
    contract = replace(
        probe.contract,
        groups=(44, 109),
        capabilities=("NET_BIND_SERVICE",),
        devices=(Device(path="/dev/fuse", permissions="r"),),
        ulimits=(
            ("core", Ulimit(soft=0, hard=0)),
            ("memlock", Ulimit(soft=-1, hard=-1)),
            ("nofile", Ulimit(soft=512, hard=1024)),
        ),
        network=f"temper-test-{secrets.token_hex(4)}",
        seccomp=json.dumps(SECCOMP, sort_keys=True, separators=(",", ":")),
        state=(State(path="/models"), State(path="/data", mode="rw")),
        cpuset_cpus="0",
        cpuset_mems="0",
        sysctls=tuple(SYSCTLS.items()),
        gpu=GpuAccess(vendor="nvidia", resource="nvidia.com/gpu"),
        mps=Mps(memory={"0": "8g", "1": "512m"}, threads=25),
        pass_env=("NCCL_DEBUG", "PROBE"),
    )
    return replace(probe, contract=contract)


def networks(engine: Engine) -> set[str]:
    return {item["Name"] for item in engine._api.networks(filters={"label": LABEL})}


def test_the_engine_does_what_the_full_contract_says(engine: Engine, full: Built, toolbox: Path) -> None:
    before = networks(engine)
    live = run(engine, full, toolbox, TELLS, SUITES / "test_contract.py")
    assert failed(live) == set()
    assert live.not_run == ()
    left = {check.name: check.message for check in checks(live) if check.outcome is not Outcome.PASSED}
    assert set(left) <= {"told: every setting could be set", "contract: mandatory access control holds it"}
    assert "rlimit" in left.get("told: every setting could be set", "rlimit")
    assert networks(engine) == before


def test_a_container_without_a_network(engine: Engine, probe: Built, toolbox: Path) -> None:
    alone = replace(probe, contract=replace(probe.contract, network="none"))
    assert failed(run(engine, alone, toolbox, TELLS)) == set()


def test_a_network_that_somebody_made_stays(engine: Engine, full: Built) -> None:
    name = f"temper-test-{secrets.token_hex(4)}"
    made = engine._api.create_network(name)
    try:
        with engine.start(replace(full.contract, network=name, ulimits=())) as container:
            assert list(container.inspect()["NetworkSettings"]["Networks"]) == [name]
        assert [item["Name"] for item in engine._api.networks(ids=[made["Id"]])] == [name]
    finally:
        engine._api.remove_network(made["Id"])


CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "groups": ({"group_add": ["44"]}, {"told: the groups are those that the engine was told"}),
    "capabilities": (
        {"cap_add": ["NET_BIND_SERVICE", "SYS_PTRACE"]},
        {"told: only declared capabilities return", "told: the bounding set is what returns"},
    ),
    "seccomp": (
        {"security_opt": ["no-new-privileges:true"]},
        {"told: the seccomp profile is that of the contract"},
    ),
    "no new privileges": (
        {"security_opt": [f"seccomp={json.dumps(SECCOMP)}"]},
        {"told: new privileges are refused by the engine"},
    ),
    "scratch": (
        {"tmpfs": {"/tmp": "rw,nosuid,nodev,noexec,size=9m", "/run": "exec"}},
        {"told: scratch space is what the engine was told"},
    ),
    "shm": ({"shm_size": "8m"}, {"told: shared memory is what the engine was told"}),
    "devices": (
        {"devices": ["/dev/fuse:/dev/fuse:rwm"]},
        {"told: devices are what the engine was told"},
    ),
    "device rules": (
        {"device_cgroup_rules": ["c 1:3 r"]},
        {"told: no device is asked for in another way"},
    ),
    "ulimits": (
        {"ulimits": [{"Name": "nofile", "Soft": 2048, "Hard": 2048}]},
        {"told: ulimits are what the engine was told"},
    ),
    "processors": ({"cpuset_cpus": "0-1"}, {"told: the processors are those of the contract"}),
    "memory nodes": ({"cpuset_mems": None}, {"told: the memory nodes are those of the contract"}),
    "variables": (
        {"environment": ["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=99"]},
        {"told: variables that are given at the start are there"},
    ),
    "network": ({"network_mode": "bridge"}, {"told: the network is that of the contract"}),
    "interface": (
        {"ports": {"8000/tcp": ("0.0.0.0", None)}},
        {"told: ports are published on the contracts interface"},
    ),
    "ports": (
        {"ports": {"8000/tcp": ("127.0.0.1", None), "22/tcp": ("127.0.0.1", None)}},
        {"told: ports are published on the contracts interface"},
    ),
}  # fmt: skip
"""Field of the contract -> what the engine is told instead, and the checks that find it."""


@pytest.mark.parametrize("field", CHANGES)
def test_an_engine_that_was_told_something_else_is_found_out(
    engine: Engine, full: Built, toolbox: Path, field: str
) -> None:
    changes, caught = CHANGES[field]
    loosened: Any = Loosened(engine, changes)
    assert failed(run(loosened, full, toolbox, TELLS)) == caught


@dataclass
class Writing:
    """An engine that mounts all state for writing."""

    engine: Engine

    def start(
        self, contract: RunContract, *, mounts: Sequence[Mount], **options: Any
    ) -> AbstractContextManager[Container]:
        state = tuple(State(path=item.path, mode="rw") for item in contract.state)
        return self.engine.start(replace(contract, state=state), mounts=mounts, **options)


def test_state_that_can_be_written_is_found_out(engine: Engine, full: Built, toolbox: Path) -> None:
    writing: Any = Writing(engine)
    assert failed(run(writing, full, toolbox, TELLS)) == {"told: state is what the engine was told"}


def settings(inspected: dict[str, Any]) -> dict[str, Any]:
    """What is set: without names, and without differences between ways of writing the same."""
    host = {key: value for key, value in inspected["HostConfig"].items() if value}
    for places in host["PortBindings"].values():
        for place in places:
            place["HostPort"] = "any"
    host["CapAdd"] = [name.removeprefix("CAP_") for name in host["CapAdd"]]
    host["RestartPolicy"]["Name"] = host["RestartPolicy"]["Name"] or "no"
    said = inspected["Config"]
    config = {key: said[key] for key in ("User", "WorkingDir", "StopSignal", "Entrypoint", "Cmd", "Env")}
    config["Env"] = sorted(config["Env"])  # an engine may keep them in any order
    host.pop("AutoRemove", None)  # `docker run --rm`: the suites remove their container themselves
    return {**host, "config": config}


@pytest.mark.parametrize(
    "told", [{**SYSCTLS, "net.ipv4.ip_forward": "1"}, {**SYSCTLS, "kernel.shmmax": "65537"}, {}]
)
def test_an_engine_that_sets_other_kernel_parameters_is_found_out(
    engine: Engine, full: Built, toolbox: Path, told: dict[str, str]
) -> None:
    loosened: Any = Loosened(engine, {"sysctls": told})
    assert failed(run(loosened, full, toolbox, SUITES / "test_contract.py")) == {"declared-sysctls"}


def test_what_this_machine_lacks_is_told_with_the_engine_s_reason(
    engine: Engine, probe: Built, toolbox: Path
) -> None:
    wanted = {"cpuset_cpus": "8190", "cpuset_mems": "1023", "sysctls": (("net.core.nowhere", "1"),)}
    asked = replace(probe, contract=replace(probe.contract, **wanted))
    live = run(engine, asked, toolbox, TELLS)
    assert failed(live) == set()
    [left] = [one for one in checks(live) if one.name == "told: every setting could be set"]
    assert left.outcome is Outcome.NOT_RUN
    for reason in ("CPUs are not available", "memory nodes are not available", "net/core/nowhere"):
        assert reason in left.message


@contextmanager
def scripted(engine: Engine, built: Built, tmp_path: Path, **variables: str) -> Iterator[dict[str, Any]]:
    """What the real `docker` makes of the rendered line, until the block ends."""
    if shutil.which("docker") is None:
        pytest.skip("there is no docker command here")
    contract = built.contract
    (tmp_path / "run").mkdir()
    for file in run_files(built.image, contract):
        (tmp_path / file.path).write_text(file.text)
    folders = {item.variable: str(tmp_path) for item in state_mounts(contract)}
    script = subprocess.Popen(
        ["/bin/sh", tmp_path / "run/docker-run.sh"],
        env={**os.environ, **folders, **variables},
        stdin=subprocess.PIPE,
    )
    try:
        yield by_name(engine, contract.name, script)
    finally:
        engine._remove_container(contract.name)
        script.communicate()


@pytest.fixture
def possible(full: Built) -> Built:
    """What this machine's engine can start, beside other tests."""
    limits = tuple(item for item in full.contract.ulimits if item[0] != "memlock")
    name = f"temper-test-{secrets.token_hex(4)}"
    contract = replace(full.contract, name=name, ulimits=limits, ports=(free_port(),))
    return replace(full, contract=contract)


def test_the_rendered_line_and_the_suites_start_the_same_container(
    engine: Engine, possible: Built, tmp_path: Path
) -> None:
    """By the real `docker`, with everything that `HostConfig` holds."""
    mounts = [
        Mount(source=tmp_path, target=item.path, read_only=item.mode == "ro")
        for item in possible.contract.state
    ]
    with engine.start(possible.contract, mounts=mounts) as ours:
        told = settings(ours.inspect())
        with scripted(engine, possible, tmp_path) as line:
            assert settings(line) == told


def test_a_variable_that_may_be_passed_comes_from_whoever_starts_it(
    engine: Engine, possible: Built, tmp_path: Path
) -> None:
    """And the image's own value stays where he has none."""
    contract = replace(possible.contract, network="none")
    with scripted(
        engine, replace(possible, contract=contract), tmp_path, NCCL_DEBUG="INFO WARN", OTHER="1"
    ) as line:
        found = dict(word.partition("=")[::2] for word in line["Config"]["Env"])
    assert (found["NCCL_DEBUG"], found["PROBE"]) == ("INFO WARN", "a b=c")
    assert "OTHER" not in found


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def by_name(engine: Engine, name: str, script: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Once it is there; the script's end tells that it never will be."""
    while script.poll() is None:
        try:
            found: dict[str, Any] = engine.container(name).inspect()
        except EngineError:
            time.sleep(0.05)
            continue
        if found["State"]["Running"]:
            return found
    raise AssertionError(f"docker run ended with {script.returncode}")
