"""A profile fitted to a workload: the tables, what strace wrote, the profile."""

import json
from pathlib import Path
from typing import Any

import pytest

from builder.config.seccomp import seccomp_problem
from builder.errors import ToolError
from builder.fitting import fitted_profile
from builder.model.report import SeccompRow
from builder.model.tree import Bytes, Elf, Entry, Facts, Kind, Rootfs
from builder.verify.seccomp.facts import (
    always,
    argument_rules,
    base_of,
    default_calls,
    machine_calls,
    probe_calls,
)
from builder.verify.seccomp.profile import ENOSYS, allowed, make_profile, widened
from builder.verify.seccomp.trace import Recording, let_through, read_traces
from builder.verify.seccomp.tracer import make_tracer
from builder.verify.text import plain_text
from tests.unit.verify.parts import Parts

MACHINES = ("x86_64", "aarch64")


# The tables -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "engine", "count"),
    [
        ("x86_64", "20.10.24+dfsg1", 291),
        ("x86_64", "28.5.2", 307),
        ("aarch64", "20.10.24", 250),
        ("x86_64", "19.03.1", 291),
    ],
)
def test_the_default_profile_of_an_engine(machine: str, engine: str, count: int) -> None:
    assert len(default_calls(machine, engine)) == count


@pytest.mark.parametrize("engine", ["20.10.24", "28.5.2"])
def test_the_default_profile_refuses_what_needs_a_capability(engine: str) -> None:
    assert not {"mount", "bpf", "unshare", "init_module", "clone3"} & default_calls("x86_64", engine)
    assert ("io_uring_setup" in default_calls("x86_64", engine)) is (engine == "20.10.24")


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_of_the_tables_exists_somewhere(machine: str) -> None:
    known = machine_calls("x86_64") | machine_calls("aarch64")
    named = probe_calls() | always() | argument_rules().keys() | base_of("runc 99").calls.keys()
    assert named <= known
    assert always() <= default_calls(machine, "20.10")


@pytest.mark.parametrize(
    ("runtime", "row", "openat2"),
    [
        ("runc 1.1.5+ds1", "runc 1.0", False),
        ("runc 1.3.3", "runc 1.3.3", True),
        ("runc 1.10.0", "runc 1.3.3", True),
        ("crun 1.14", "runc 1.3.3", True),
        ("unknown", "runc 1.3.3", True),
    ],
)
def test_what_a_runtime_needs_goes_by_its_version(runtime: str, row: str, openat2: bool) -> None:
    base = base_of(runtime)
    assert base.runtime == row
    assert ("openat2" in base.calls) is openat2
    assert "fstatfs" in base.calls
    assert all(base.calls.values())


# What strace wrote ------------------------------------------------------------------------------------


def traces(folder: Path, **files: str) -> Recording:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return read_traces(folder)


def test_calls_are_the_programs_or_the_probes_by_what_was_started(tmp_path: Path) -> None:
    found = traces(
        tmp_path,
        t_9='execve("/.toolbox/busybox", ["sh"], 0x7 /* 7 vars */) = 0\n'
        "getgroups(0, 0)                         = 0x1\n"
        "clone(0x1200011, 0, 0, 0x7f, 0)         = 0xa\n"
        "clone(0x1200011, 0, 0, 0x7f, 0)         = 0xb\n"
        "wait4(0xa, 0x7f, 0, 0)                  = 0xa\n",
        t_10='execve("/opt/python3", ["python3"], 0x7) = -1 ENOENT (No such file or directory)\n'
        'execve("/usr/bin/python3", ["python3"], 0x7 /* 7 vars */) = 0\n'
        "clone(0x3d0f00, 0x7f, 0x7f, 0x7f, 0x7f) = 0xc\n"
        "bind(0x3, 0x7f, 0x10)                   = 0\n"
        "exit_group(0)                           = ?\n",
        t_11='execve("/proc/self/exe", ["cat"], 0x7) = 0\nsendfile(0x1, 0x3, 0, 0x100) = 0x5\n',
        t_12="rseq(0x7f, 0x20, 0, 0x53053053)         = 0\nfutex(0x7f, 0x80 <unfinished ...>\n",
    )
    assert set(found.probe) == {"execve", "getgroups", "clone", "wait4", "sendfile"}
    assert set(found.program) == {"execve", "clone", "bind", "exit_group", "rseq", "futex"}


def test_a_thread_whose_parent_was_cut_off_counts_as_the_programs(tmp_path: Path) -> None:
    found = traces(tmp_path, t_1='execve("/a", ["a"], 0x7) = 0\n', t_7="connect(0x3, 0x7f, 0x10) = 0\n")
    assert set(found.program) == {"execve", "connect"}


def test_nothing_recorded_is_no_empty_profile(tmp_path: Path) -> None:
    with pytest.raises(ToolError) as caught:
        read_traces(tmp_path)
    assert (
        str(caught.value) == "strace recorded nothing: can programs be traced in containers on this machine?"
    )


@pytest.mark.parametrize(
    ("call", "errors", "needed"),
    [
        ("read", {""}, True),
        ("read", {"EPERM"}, True),
        ("clone3", {"ENOSYS"}, False),
        ("mbind", {"EPERM"}, False),
        ("mbind", {"EPERM", ""}, True),
        ("openat2", {"ENOSYS", "EAGAIN"}, True),
    ],
)
def test_what_the_default_profile_refused_is_not_needed(call: str, errors: set[str], needed: bool) -> None:
    default = default_calls("x86_64", "20.10.24")
    assert (let_through({call: errors}, default) == {call}) is needed


# The profile ------------------------------------------------------------------------------------------


def rules(text: str, call: str) -> list[dict[str, Any]]:
    return [rule for rule in json.loads(text)["syscalls"] if call in rule["names"]]


def test_a_profile_allows_what_is_needed_and_answers_the_rest_with_enosys() -> None:
    text = make_profile([("a", frozenset({"read", "write"})), ("b", frozenset({"write", "exit"}))], "x86_64")
    data = json.loads(text)
    assert (data["defaultAction"], data["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", ENOSYS)
    assert data["architectures"] == ["SCMP_ARCH_X86_64"]
    assert allowed(text) == {"read", "write", "exit"}
    assert [rule["comment"] for rule in rules(text, "write")] == ["a"]
    assert [(rule["action"], rule["errnoRet"]) for rule in rules(text, "ptrace")] == [("SCMP_ACT_ERRNO", 38)]
    assert {name for rule in data["syscalls"] for name in rule["names"]} == machine_calls("x86_64")
    assert seccomp_problem(text.encode()) == ""


def test_no_new_namespaces_and_no_odd_personalities() -> None:
    text = make_profile([("a", frozenset({"clone", "personality", "socket"}))], "aarch64")
    assert [rule["args"] for rule in rules(text, "clone")] == [
        [{"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": 0x7E020000, "valueTwo": 0}]
    ]
    assert len(rules(text, "personality")) == 5
    assert rules(text, "socket")[0]["args"][0]["value"] == 40


def test_a_wider_profile_keeps_what_stands_and_refuses_nothing_of_it() -> None:
    text = make_profile([("a", frozenset({"read", "clone"}))], "x86_64")
    wide = widened(text, frozenset({"clone", "fork", "read"}))
    assert allowed(wide) == {"read", "clone", "fork"}
    assert rules(wide, "clone") == rules(text, "clone")
    assert [rule["action"] for rule in rules(wide, "fork")] == ["SCMP_ACT_ALLOW"]
    assert widened(text, frozenset({"read"})) == text


def test_a_profile_that_somebody_wrote_in_the_old_form_is_widened_too() -> None:
    text = '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"name": "read", "action": "SCMP_ACT_ALLOW"}]}'
    assert allowed(widened(text, frozenset({"fork"}))) == {"read", "fork"}


@pytest.mark.parametrize("runtime", ["runc 1.1.5", "runc 1.4.0"])
def test_a_fitted_profile_is_within_the_engines_default(runtime: str) -> None:
    recording = Recording(program={"read": {""}, "socket": {""}, "clone3": {"ENOSYS"}, "mbind": {"EPERM"}})
    found = allowed(fitted_profile(recording, "linux/amd64", "20.10.24", runtime))
    assert {"read", "socket", "fstatfs", "exit_group", "rt_sigreturn"} <= found
    assert found <= default_calls("x86_64", "20.10.24")
    assert not {"clone3", "mbind", "getgroups"} & found


# strace in the toolbox --------------------------------------------------------------------------------


def elf(path: str, *needed: str, interpreter: str | None = None) -> Entry:
    facts = Facts(elf=Elf(machine="x86_64", needed=needed, interpreter=interpreter))
    return Entry(path=path, kind=Kind.FILE, mode=0o755, content=Bytes(path.encode(), facts))


LOADER = elf("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
PARTS = (
    elf("usr/bin/strace", "libc.so.6", "libunwind.so.8", interpreter="/lib64/ld-linux-x86-64.so.2"),
    elf("usr/lib/x86_64-linux-gnu/libunwind.so.8.0.1", "libc.so.6", "liblzma.so.5"),
    Entry(
        path="usr/lib/x86_64-linux-gnu/libunwind.so.8",
        kind=Kind.SYMLINK,
        mode=0o777,
        target="libunwind.so.8.0.1",
    ),
    elf("usr/lib/x86_64-linux-gnu/liblzma.so.5", "libc.so.6"),
    elf("usr/lib/x86_64-linux-gnu/libc.so.6", "ld-linux-x86-64.so.2"),
    LOADER,
    Entry(path="lib64", kind=Kind.SYMLINK, mode=0o777, target="usr/lib/x86_64-linux-gnu"),
)


def test_strace_comes_with_its_loader_and_every_library(tmp_path: Path) -> None:
    tracer = make_tracer(Rootfs().with_entries(PARTS), tmp_path, "linux/amd64")
    assert sorted(path.name for path in (tmp_path / "strace").iterdir()) == [
        "ld-linux-x86-64.so.2",
        "libc.so.6",
        "liblzma.so.5",
        "libunwind.so.8",
        "strace",
    ]
    assert tracer.command[:4] == (
        "/.toolbox/strace/ld-linux-x86-64.so.2",
        "--library-path",
        "/.toolbox/strace",
        "/.toolbox/strace/strace",
    )
    assert tracer.command[-2:] == ("-o", "/.toolbox/traces/t")
    assert tracer.folder.stat().st_mode & 0o7777 == 0o1777


def test_a_library_that_is_not_locked_is_named(tmp_path: Path) -> None:
    tree = Rootfs().with_entries(PARTS).without(["usr/lib/x86_64-linux-gnu/liblzma.so.5"])
    with pytest.raises(ToolError) as caught:
        make_tracer(tree, tmp_path, "linux/amd64")
    assert (
        str(caught.value) == "usr/lib/x86_64-linux-gnu/liblzma.so.5: not in strace's packages; "
        "run `temper lock` to lock the toolbox anew"
    )


def test_the_report_says_what_it_was_tested_on() -> None:
    row = SeccompRow(allowed=63, default=291, engine="20.10.24", runtime="runc 1.1.5", probe=("fork",))
    report = Parts().report().model_copy(update={"seccomp": row})
    assert (
        "seccomp   63 system calls allowed, 291 by the engine's default; tested on runc 1.1.5, "
        "engine 20.10.24 (with 1 more for the probes)"
    ) in plain_text(report).splitlines()
