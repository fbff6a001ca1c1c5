"""What only a running container can prove: a live test catches each mutant, and no other control fires."""

from collections.abc import Callable

import pytest

from builder.controls.catalogue import CATALOGUE
from builder.controls.runtime import RunControl
from tests.unit.controls.live import Facts, failed, known_tests

STATUS, MOUNTS = "/proc/1/status", "/proc/mounts"
Change = Callable[[Facts], None]


def mount(line: str) -> Change:
    def mounted(facts: Facts) -> None:
        facts.files[MOUNTS] = f"{facts.files[MOUNTS]}{line}\n"

    return mounted


def rewrite(path: str, old: str, new: str) -> Change:
    return lambda facts: facts.rewrite(path, old, new)


def bind(**said: object) -> Change:
    known = {"Type": "bind", "Source": "/srv/x", "Destination": "/models", "RW": False, "Propagation": ""}
    return lambda facts: facts.inspected["Mounts"].append({**known, **said})


def published(address: str, port: str) -> Change:
    return lambda facts: facts.tell(PortBindings={"8000/tcp": [{"HostIp": address, "HostPort": port}]})


def unchanged(_: Facts) -> None:
    pass


FOR_EVER = {"Name": "always", "MaximumRetryCount": 0}
SCRATCH = " /tmp tmpfs rw,nosuid,nodev"
SHM = "shm /dev/shm tmpfs rw,nosuid,nodev,noexec,relatime"
SYSCTLS = {"net.core.somaxconn": "1234"}
CORE = "Max core file size        "
CAPABLE = "CapBnd:\t00000000a80425fb"
MUTANTS: tuple[tuple[str, str, Change], ...] = (
    ("nonroot-user", "root", rewrite(STATUS, "Uid:\t65532\t65532", "Uid:\t65532\t0")),
    ("no-root-group", "group 0", rewrite(STATUS, "Groups:\t65532 ", "Groups:\t0 65532 ")),
    ("effective-groups", "a group more", rewrite(STATUS, "Groups:\t65532 ", "Groups:\t44 65532 ")),
    ("stop-signal", "nothing handles it", rewrite(STATUS, "SigCgt:\t0000000000000002", "SigCgt:\t0")),
    (
        "stop-signal",
        "another one",
        lambda facts: facts.inspected["Config"].update(StopSignal="SIGKILL"),
    ),
    ("read-only-root", "by the kernel", rewrite(MOUNTS, "overlay / overlay ro,", "overlay / overlay rw,")),
    ("read-only-root", "by the engine", lambda facts: facts.tell(ReadonlyRootfs=False)),
    ("scratch-tmpfs", "programs in it", rewrite(MOUNTS, f"{SCRATCH},noexec", SCRATCH)),
    ("scratch-tmpfs", "larger", rewrite(MOUNTS, "size=65536k,uid", "size=9999999k,uid")),
    ("drop-capabilities", "bounding set", rewrite(STATUS, "CapBnd:\t0000000000000000", CAPABLE)),
    ("drop-capabilities", "not told", lambda facts: facts.tell(CapDrop=None)),
    ("drop-capabilities", "one returns", lambda facts: facts.tell(CapAdd=["NET_RAW"])),
    ("not-privileged", "told", lambda facts: facts.tell(Privileged=True)),
    ("not-privileged", "/proc/sys", rewrite(MOUNTS, "proc /proc/sys proc ro,", "proc /proc/sys proc rw,")),
    ("not-privileged", "kernel secrets", lambda facts: facts.files.update({"/proc/keys": "1f 0 keyring"})),
    ("no-new-privileges", "by the kernel", rewrite(STATUS, "NoNewPrivs:\t1", "NoNewPrivs:\t0")),
    ("seccomp", "by the kernel", rewrite(STATUS, "Seccomp:\t2", "Seccomp:\t0")),
    (
        "seccomp",
        "told",
        lambda facts: facts.tell(SecurityOpt=["no-new-privileges:true", "seccomp=unconfined"]),
    ),
    ("lsm", "told", lambda facts: facts.tell(SecurityOpt=["no-new-privileges", "apparmor=unconfined"])),
    ("lsm", "by the kernel", lambda facts: facts.files.update({"/proc/1/attr/current": "unconfined\n"})),
    ("no-host-namespaces", "network", lambda facts: facts.tell(NetworkMode="host")),
    ("no-host-namespaces", "another container's", lambda facts: facts.tell(PidMode="container:x")),
    ("no-host-mounts", "undeclared", mount("/dev/vda /data ext4 rw 0 0")),
    ("no-host-mounts", "the socket", bind(Source="/var/run/docker.sock")),
    ("no-host-mounts", "shared", bind(Propagation="rshared")),
    ("declared-devices", "told", lambda facts: facts.tell(Devices=[{"PathOnHost": "/dev/kvm"}])),
    ("declared-devices", "there", lambda facts: facts.dev.append("kvm")),
    ("limits", "memory", lambda facts: facts.tell(Memory=0, MemorySwap=0)),
    ("limits", "swap", lambda facts: facts.tell(MemorySwap=-1)),
    ("limits", "processes", lambda facts: facts.tell(PidsLimit=None)),
    ("limits", "processor time", lambda facts: facts.tell(NanoCpus=0)),
    ("limits", "by the kernel", lambda facts: facts.files.update({"/sys/fs/cgroup/pids/pids.max": "max\n"})),
    ("shm-and-ulimits", "shared memory", rewrite(MOUNTS, f"{SHM},size=65536k", f"{SHM},size=1k")),
    ("shm-and-ulimits", "core dumps", rewrite("/proc/1/limits", f"{CORE}0", f"{CORE}unlimited")),
    ("declared-sysctls", "one more", lambda facts: facts.tell(Sysctls={**SYSCTLS, "kernel.sem": "1"})),
    ("declared-sysctls", "by the kernel", rewrite("/proc/sys/net/core/somaxconn", "1234", "128")),
    ("bound-ports", "every address", published("", "")),
    ("bound-ports", "privileged", published("127.0.0.1", "80")),
    ("no-root-exec", "a session of root's", rewrite("/proc/self/status", "Uid:\t65532\t", "Uid:\t0\t")),
    ("bounded-restart", "for ever", lambda facts: facts.tell(RestartPolicy=FOR_EVER)),
)  # fmt: skip


def test_what_was_recorded_is_sound() -> None:
    assert failed(unchanged) == set()


@pytest.mark.parametrize(
    ("key", "change"),
    [pytest.param(key, change, id=f"{key}: {name}") for key, name, change in MUTANTS],
)
def test_a_live_test_catches_the_mutant_of_its_control(key: str, change: Change) -> None:
    assert failed(change) == {key}


def test_every_control_over_the_run_contract_is_proven_live() -> None:
    proven = {key for test in known_tests() for key in test.keys}
    mutated = {key for key, _, _ in MUTANTS}
    for control in CATALOGUE:
        if isinstance(control, RunControl):
            assert control.key in proven & mutated


def test_every_live_mutant_is_of_a_test_that_is_there() -> None:
    assert {key for key, _, _ in MUTANTS} <= {key for test in known_tests() for key in test.keys}
