"""The rows of a report that a look at a GPU gives: what passed, what failed, and what was not run and why."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.errors import ToolError
from builder.gpu import permissions, real, rehearsal
from builder.gpu.frameworks import working_rows
from builder.gpu.host import HostGpu
from builder.gpu.probing import Look
from builder.gpu.route import Route
from builder.gpu.rows import kernel_row, none_run, wiring_rows
from builder.gpu.seen import ProbeError, Seen
from builder.gpu.settings import setting_rows, written_row
from builder.model.injection import HostNode, Injection
from builder.model.profile import Ulimit
from builder.model.report import CheckResult, Outcome
from builder.model.spec import GpuSpec, State
from builder.packages.store import Store
from tests.unit.gpu.engine import CONTRACT, NATIVE, Engine, case
from tests.unit.gpu.seeing import NO_CUDA, NO_NVML, NODES, driver, library, runtime, seen
from tests.unit.gpu.test_findings import NONE, ON_A_GPU, REAL, REHEARSED

GPU = HostGpu(index=0, uuid="GPU-00000000-0000-0000-0000-000000000001", minor=0)
SECOND = HostGpu(index=1, uuid="GPU-00000000-0000-0000-0000-000000000002", minor=1)
CAPPED = {"PYTORCH_ALLOC_CONF": "per_process_memory_fraction:0.5"}


def told(rows: Iterable[CheckResult]) -> list[tuple[str, str, str]]:
    return [(one.outcome.value, one.name, one.message) for one in rows]


def outcomes(rows: Iterable[CheckResult]) -> dict[str, str]:
    return {one.name: one.outcome.value for one in rows}


def test_a_sound_wiring_passes() -> None:
    assert told(wiring_rows("rehearsal", seen(), REHEARSED)) == [
        ("passed", "rehearsal: the loader finds the host's driver", "/usr/lib/x86_64-linux-gnu/libcuda.so.1"),
        ("passed", "rehearsal: the image's user may open every node", "as 65532:65532"),
        ("passed", "rehearsal: the driver shows the GPUs that were asked for", "1 GPU"),
        ("passed", "rehearsal: the CUDA runtime reaches the driver", "runtime 13.5, driver 13.99"),
    ]


def test_what_stands_on_a_failed_row_is_not_run() -> None:
    rows = told(wiring_rows("rehearsal", seen(**NONE), REHEARSED))
    assert [outcome for outcome, _, _ in rows] == ["failed", "passed", "not run", "not run"]
    assert rows[2][2] == "it stands on what failed: no-libcuda, no-nvml"
    assert rows[3][2] == "no library of the driver was loaded"


def test_an_image_without_a_runtime_has_none_to_look_at() -> None:
    assert told(wiring_rows("gpu", seen(runtimes=[]), REHEARSED))[3] == (
        *("not run", "gpu: the CUDA runtime reaches the driver"),
        "the image has no CUDA runtime (libcudart)",
    )


def test_an_older_minor_version_says_what_it_costs() -> None:
    look = seen(**{**ON_A_GPU, "cuda": driver(stub=False, version=13000)})
    assert told(wiring_rows("gpu", look, REAL))[3][2] == (
        "runtime 13.5, driver 13.0: by minor version compatibility, which leaves out what is compiled at run "
        "time (PTX)"
    )


def test_a_kernel_is_not_run_without_a_driver() -> None:
    assert told([kernel_row(seen(cuda=NO_CUDA))]) == [
        ("not run", "gpu: a kernel's sums are the CPU's", "no library of the driver was loaded")
    ]
    assert kernel_row(seen()).outcome is Outcome.FAILED


def look(changed: tuple[str, ...] | None = (), refused: dict[str, str] | None = None, **changes: Any) -> Look:
    return Look(seen=seen(**{"variables": CAPPED, **changes}), changed=changed, refused=refused or {})


def test_bounds_and_the_cap_are_read_back() -> None:
    assert told(setting_rows("gpu", look(), CONTRACT)) == [
        ("passed", "gpu: shared and lockable memory are as declared", "shm 67108864, memlock -1"),
        (
            *("passed", "gpu: the cap on a GPU's memory reaches the program"),
            "PYTORCH_ALLOC_CONF=per_process_memory_fraction:0.5",
        ),
    ]
    contract = replace(CONTRACT, ulimits=(("memlock", Ulimit(soft=-1, hard=-1)),))
    assert [row[2] for row in told(setting_rows("gpu", look(shm=1, memlock=8, variables={}), contract))] == [
        "shared memory has 1 bytes, not 67108864 (64m); 8 bytes may be locked, not -1",
        "PYTORCH_ALLOC_CONF is '', not 'per_process_memory_fraction:0.5'; see who sets it at the start",
    ]


def test_a_bound_that_the_engine_may_not_set_is_not_run_with_its_reason() -> None:
    rows = told(setting_rows("gpu", look(refused={"memlock": "operation not permitted"}), CONTRACT))
    assert rows[0][::2] == ("not run", "operation not permitted")


def test_what_is_written_elsewhere_is_found() -> None:
    contract = replace(CONTRACT, state=(State(path="/srv/data", mode="rw"),))
    places = frozenset({"/usr", "/usr/lib", "/usr/lib/libcuda.so.1"})
    made = ("/dev", "/dev/pts", "/etc", "/etc/hosts", "/srv", "/tmp/x", "/usr", "/usr/lib/libcuda.so.1")
    assert written_row("gpu", made, places, contract).outcome is Outcome.PASSED
    assert told([written_row("gpu", (*made, "/etc/passwd"), places, contract)])[0][2] == (
        "/etc/passwd is not the image's; declare it under `writable:`"
    )
    assert written_row("gpu", None, places, contract).outcome is Outcome.NOT_RUN


# The whole of it ---------------------------------------------------------------------------------------


def stubbed(injection: Injection) -> Seen:
    """A host and an image without a fault: what of the stub and of its nodes is injected is seen."""
    if not injection.mounts:
        return seen(**NONE, gpus=[], nodes=dict.fromkeys(NODES, "ENOENT"), variables=CAPPED)
    given = {node.path: node for node in injection.nodes}
    gpus = [path for path in given if path[-1].isdigit()]
    uuids = [f"GPU-00000000-0000-0000-0000-{int(path[-1]) + 1:012x}" for path in gpus]
    version = int(dict(injection.env)["TEMPER_REHEARSAL_CUDA"])
    code = 801 if version >= 13000 else 35
    return seen(
        nodes={path: errno_of(node, injection) for path, node in given.items()},
        gpus=gpus,
        cuda=driver(uuids=uuids, version=version),
        nvml=library("libnvidia-ml.so.1", uuids=uuids),
        runtimes=[runtime(driver=version, code=code)],
        variables=CAPPED,
    )


def errno_of(node: HostNode, injection: Injection) -> str:
    if "/group/" in node.host:
        return "ok" if injection.groups else "EACCES"
    if "/cgroup-" in node.host:
        return "ENXIO" if "w" in node.permissions else "EPERM"
    return "ok"


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its compiler nor who runs the tests matters."""
    monkeypatch.setattr(rehearsal, "compiled", lambda *_: NATIVE)
    monkeypatch.setattr(real, "compiled", lambda *_: NATIVE)
    monkeypatch.setattr(permissions.os, "geteuid", lambda: 0)
    monkeypatch.setattr(
        permissions, "_made", lambda folder, names, *_: {one: f"{folder}/{one}" for one in names}
    )
    monkeypatch.setattr(permissions, "DEVICES", Path("/dev/null"))


def rehearsed(tmp_path: Path, sees: Callable[[Injection], Seen] = stubbed, **changes: Any) -> dict[str, str]:
    rows = rehearsal.rehearse(Engine(sees), case(**changes), Store(tmp_path))
    assert [one.name for one in rows if not one.name.startswith("rehearsal: ")] == []
    return outcomes(rows)


FAULTLESS = {
    "rehearsal: without a request there is no driver and no GPU": "passed",
    "rehearsal: the loader finds the host's driver": "passed",
    "rehearsal: the image's user may open every node": "passed",
    "rehearsal: the driver shows the GPUs that were asked for": "passed",
    "rehearsal: the CUDA runtime reaches the driver": "passed",
    "rehearsal: shared and lockable memory are as declared": "passed",
    "rehearsal: the cap on a GPU's memory reaches the program": "passed",
    "rehearsal: nothing is written but what is declared": "passed",
    "rehearsal: one GPU is asked for, and one is given": "passed",
    "rehearsal: a driver too old is known by its name": "passed",
    "rehearsal: a node opens for its group, and for nobody else (EACCES)": "passed",
    "rehearsal: closed by the device cgroup (EPERM) is not without hardware (ENXIO)": "passed",
    "rehearsal: frameworks load their CUDA parts": "not run",
    "rehearsal: the runtime's own hooks wire it": "not run",
    "rehearsal: a real GPU": "not run",
}


def test_a_faultless_rehearsal(tmp_path: Path) -> None:
    assert rehearsed(tmp_path) == FAULTLESS


def failing(tmp_path: Path, sees: Callable[[Injection], Seen]) -> set[str]:
    return {
        name.removeprefix("rehearsal: ") for name, one in rehearsed(tmp_path, sees).items() if one == "failed"
    }


def test_a_driver_that_is_baked_in_fails(tmp_path: Path) -> None:
    def baked(injection: Injection) -> Seen:
        own = driver(path="/opt/libcuda.so.1", mounted=False)
        return stubbed(injection).model_copy(update={"cuda": seen(cuda=own).cuda})

    assert failing(tmp_path, baked) >= {
        "without a request there is no driver and no GPU",
        "the loader finds the host's driver",
    }


def test_a_neighbour_fails(tmp_path: Path) -> None:
    def nosy(injection: Injection) -> Seen:
        return stubbed(injection).model_copy(update={"gpus": ("/dev/nvidia0", "/dev/nvidia1")})

    assert "one GPU is asked for, and one is given" in failing(tmp_path, nosy)


def test_a_runtime_that_takes_any_driver_fails(tmp_path: Path) -> None:
    def lax(injection: Injection) -> Seen:
        there = stubbed(injection)
        return there.model_copy(update={"cuda": there.cuda.model_copy(update={"version": 13999})})

    assert failing(tmp_path, lax) == {"a driver too old is known by its name"}


def test_a_user_whom_no_mode_stops_fails(tmp_path: Path) -> None:
    def mighty(injection: Injection) -> Seen:
        there = stubbed(injection)
        return there.model_copy(update={"nodes": dict.fromkeys(there.nodes, "ok")})

    assert failing(tmp_path, mighty) == {
        "a node opens for its group, and for nobody else (EACCES)",
        "closed by the device cgroup (EPERM) is not without hardware (ENXIO)",
    }


def test_a_program_that_runs_as_root_owns_the_nodes(tmp_path: Path) -> None:
    def root(injection: Injection) -> Seen:
        return stubbed(injection).model_copy(update={"uid": 0})

    rows = rehearsal.rehearse(Engine(root), case(), Store(tmp_path))
    [group] = [one for one in rows if "for its group" in one.name]
    assert told([group])[0][::2] == ("not run", "the program runs as root, which owns the nodes")


def test_the_numbers_of_nodes_without_hardware_are_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = tmp_path / "devices"
    devices.write_text("Character devices:\n  1 mem\n510 one\n511 two\n\nBlock devices:\n  8 sd\n")
    monkeypatch.setattr(permissions, "DEVICES", devices)
    assert permissions.drivers_own()["uvm"] == (509, 0)
    assert "passed" in rehearsed(tmp_path).values()
    devices.write_text("Character devices:\n195 nvidia\n")
    closed = "rehearsal: closed by the device cgroup (EPERM) is not without hardware (ENXIO)"
    assert rehearsed(tmp_path)[closed] == "not run"


def test_without_root_nodes_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permissions.os, "geteuid", lambda: 1000)
    rows = rehearsed(tmp_path)
    changed = {name for name, one in rows.items() if one != FAULTLESS[name]}
    assert {rows[name] for name in changed} == {"not run"}
    assert len(changed) == 2


def test_without_a_compiler_nothing_is_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> object:
        raise ToolError("no C compiler: none of cc\nmore")

    monkeypatch.setattr(rehearsal, "compiled", none)
    assert told(rehearsal.rehearse(Engine(stubbed), case(), Store(tmp_path))) == [
        ("not run", "rehearsal: the GPU's wiring", "no C compiler: none of cc"),
        (
            *("not run", "rehearsal: a real GPU"),
            "the stub driver computes nothing; run the same without rehearsal where there is a GPU",
        ),
    ]


def test_a_probe_that_breaks_off_fails_the_image(tmp_path: Path) -> None:
    def breaks(injection: Injection) -> Seen:
        if injection.mounts:
            raise ProbeError("the GPU probe broke off: it said nothing")
        return stubbed(injection)

    assert told(rehearsal.rehearse(Engine(breaks), case(), Store(tmp_path)))[1] == (
        *("failed", "rehearsal: the probe runs in the container"),
        "the GPU probe broke off: it said nothing; see that the image has its loader and C library",
    )


def test_an_image_that_fails_its_audit_is_not_rehearsed() -> None:
    assert told(none_run("rehearsal", "the image fails its audit")) == [
        ("not run", "rehearsal: the GPU's wiring", "the image fails its audit")
    ]
    assert told(none_run("all", "the image fails its audit"))[0][1] == "gpu: the GPU's wiring"
    assert none_run("", "the image fails its audit") == ()


@pytest.mark.parametrize(("vendor", "nodes"), [("amd", 3), ("intel", 2)])
def test_other_vendors_are_rehearsed_by_their_nodes(tmp_path: Path, vendor: str, nodes: int) -> None:
    def sees(injection: Injection) -> Seen:
        assert len(injection.nodes) == nodes
        told = {node.path: errno_of(node, injection) for node in injection.nodes}
        return seen(cuda=NO_CUDA, nvml=NO_NVML, runtimes=[], gpus=[], nodes=told, variables=CAPPED)

    rows = rehearsal.rehearse(Engine(sees), case(gpu=GpuSpec(vendor=vendor)), Store(tmp_path))  # type: ignore[arg-type]
    assert outcomes(rows) == {
        "rehearsal: the image's user may open every node": "passed",
        "rehearsal: a node opens for its group, and for nobody else (EACCES)": "passed",
        "rehearsal: shared and lockable memory are as declared": "passed",
        "rehearsal: the cap on a GPU's memory reaches the program": "passed",
        "rehearsal: the vendor's libraries reach the driver": "not run",
        "rehearsal: a real GPU": "not run",
    }


# On a real GPU -----------------------------------------------------------------------------------------


def hardware(injection: Injection) -> Seen:
    if not injection.gpus:
        return seen(**NONE, gpus=[], nodes=dict.fromkeys(NODES, "ENOENT"), variables=CAPPED)
    wanted = (GPU, SECOND) if injection.gpus == ("all",) else (GPU,)
    kernels = [{"gpu": one.index, "step": "", "code": 0, "wrong": 0, "of": 4096} for one in wanted]
    uuids = [one.uuid for one in wanted]
    return seen(
        nodes=dict.fromkeys([*NODES, "/dev/nvidia1"], "ok"),
        gpus=[one.node for one in wanted],
        cuda=driver(stub=False, uuids=uuids, count=len(wanted)),
        nvml=library("libnvidia-ml.so.1", stub=False, uuids=uuids),
        runtimes=[runtime(code=0, count=len(wanted))],
        kernels=kernels,
        variables=CAPPED,
    )


ALL = Route(how="by NVIDIA's runtime", injection=Injection(gpus=("all",), left_out=("a hook is not run",)))
FIRST = Route(how="by NVIDIA's runtime", injection=Injection(gpus=("0",)))


def on_hardware(sees: Callable[[Injection], Seen] = hardware) -> tuple[CheckResult, ...]:
    return real.rows_of(Engine(sees), case(), NATIVE, ALL, (GPU, SECOND), FIRST)


def test_a_faultless_gpu() -> None:
    rows = on_hardware()
    assert rows[0].message == "by NVIDIA's runtime; a hook is not run"
    assert outcomes(rows) == {
        "gpu: the engine gives the GPU to a container": "passed",
        "gpu: without a request there is no driver and no GPU": "passed",
        "gpu: the loader finds the host's driver": "passed",
        "gpu: the image's user may open every node": "passed",
        "gpu: the driver shows the GPUs that were asked for": "passed",
        "gpu: the CUDA runtime reaches the driver": "passed",
        "gpu: a kernel's sums are the CPU's": "passed",
        "gpu: shared and lockable memory are as declared": "passed",
        "gpu: the cap on a GPU's memory reaches the program": "passed",
        "gpu: frameworks compute what the CPU does": "not run",
        "gpu: one GPU is asked for, and one is given": "passed",
    }


def test_the_stub_is_never_taken_for_a_gpu() -> None:
    def stub(injection: Injection) -> Seen:
        there = hardware(injection)
        return there.model_copy(
            update={"cuda": there.cuda.model_copy(update={"stub": bool(there.cuda.path)})}
        )

    rows = {one.name: one for one in on_hardware(stub)}
    assert rows["gpu: the loader finds the host's driver"].message.startswith("stub-driver: ")
    assert rows["gpu: the driver shows the GPUs that were asked for"].outcome is Outcome.NOT_RUN


def test_a_framework_is_asked_by_its_own_python() -> None:
    wheels = {"torch": "2.13.0", "cupy-cuda13x": "14.2.0"}
    engine = Engine(
        hardware, answers={"import torch": (0, "torch 2.13.0"), "import cupy": (1, "no kernel image")}
    )
    rows = told(working_rows(case().probing(engine, NATIVE), ALL.injection, wheels, 0.5))
    assert rows == [
        ("passed", "gpu: frameworks compute what the CPU does: torch", "torch 2.13.0"),
        (
            "failed",
            "gpu: frameworks compute what the CPU does: cupy-cuda13x",
            "it ends with 1: no kernel image",
        ),
    ]
    assert [program[3:] for _, program in engine.asked] == [("0.5",), ()]
