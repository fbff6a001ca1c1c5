"""Each way in which wiring goes wrong has a finding of its own, and a sound wiring has none.

The whole messages stand in tests/cases/gpu/findings.txt, by the names of the cases here.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.gpu.findings import (
    Expected,
    Found,
    kernel_findings,
    neighbour_findings,
    unasked_findings,
    wiring,
)
from builder.gpu.texts import TEXTS
from tests.unit.gpu.seeing import (
    FOLDER,
    NO_CUDA,
    NO_NVML,
    NODES,
    UUID,
    absent,
    driver,
    library,
    runtime,
    seen,
)

MESSAGES = Path(__file__).parents[2] / "cases/gpu/findings.txt"
REHEARSED = Expected(nodes=NODES, uuids=(UUID,), stub=True)
REAL = Expected(nodes=NODES, uuids=(UUID,))
ON_A_GPU = {
    "cuda": driver(stub=False),
    "nvml": library("libnvidia-ml.so.1", stub=False),
    "runtimes": [runtime(code=0, count=1)],
}
NONE = {"cuda": NO_CUDA, "nvml": NO_NVML, "runtimes": [runtime(driver=0, code=35)]}


def messages() -> dict[str, list[str]]:
    """`# name`, then a line for each finding."""
    found: dict[str, list[str]] = {}
    for line in MESSAGES.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            lines = found.setdefault(line[2:], [])
        elif line:
            lines.append(line)
    return found


def nodes(**errors: str) -> dict[str, Any]:
    told = {f"/dev/{name}": error for name, error in errors.items()}
    return {"nodes": {**dict.fromkeys(NODES, "ok"), **told}}


def not_loaded(error: str) -> dict[str, Any]:
    return {"cuda": {**absent("libcuda.so.1", error), "version": 0}}


def mounted(folder: str, version: str) -> dict[str, Any]:
    return {**NONE, "mounts": [f"{folder}/libcuda.so.{version}", f"{folder}/libnvidia-ml.so.{version}"]}


def kernel(**changes: Any) -> dict[str, Any]:
    return {"gpu": 1, "step": "", "code": 0, "wrong": 0, "of": 4096, **changes}


def rehearsed(**changes: Any) -> Callable[[], Iterable[Found]]:
    return lambda: wiring(seen(**changes), REHEARSED)


def real(**changes: Any) -> Callable[[], Iterable[Found]]:
    return lambda: wiring(seen(**{**ON_A_GPU, **changes}), REAL)


LACKS = "libstdc++.so.6: cannot open shared object file"
BROKEN = [kernel(step="cuModuleLoadData", code=221), kernel(wrong=3)]
CASES: dict[str, Callable[[], Iterable[Found]]] = {
    "no driver is injected": rehearsed(**NONE),
    "only libcuda is injected": rehearsed(nvml=NO_NVML),
    "the libraries lie elsewhere": rehearsed(**mounted("/usr/local/nvidia/lib64", "1")),
    "the hooks did not run": rehearsed(**mounted(FOLDER, "580.65.06")),
    "a file that is no library": rehearsed(**not_loaded(f"{FOLDER}/libcuda.so.1: file too short")),
    "a library of the image's own": rehearsed(cuda=driver(path="/opt/libcuda.so.1", mounted=False)),
    "the driver lacks a library": rehearsed(**not_loaded("libx.so.2: cannot open shared object file")),
    "no node": rehearsed(**nodes(nvidia0="ENOENT")),
    "a node of a group": rehearsed(**nodes(nvidiactl="EACCES")),
    "a node that the cgroup closes": rehearsed(**nodes(nvidiactl="EPERM")),
    "a node that fails otherwise": rehearsed(**nodes(nvidiactl="EIO")),
    "the driver is too old": rehearsed(cuda=driver(version=12040), runtimes=[runtime(driver=12040, code=35)]),
    "the driver does not answer": rehearsed(cuda=driver(init=999, count=0, uuids=[])),
    "another GPU": rehearsed(cuda=driver(uuids=["GPU-1"])),
    "the runtime lacks a library": rehearsed(runtimes=[runtime(error=LACKS, version=0, code=-1)]),
    "the runtime does not reach the driver": rehearsed(runtimes=[runtime(code=35)]),
    "the stub in the place of a driver": real(cuda=driver()),
    "a real node without hardware": real(**nodes(nvidia0="ENXIO")),
    "the stub's answer to the runtime": real(runtimes=[runtime(code=801)]),
    "nothing was asked for": lambda: unasked_findings(seen(nvml=NO_NVML)),
    "a neighbour's GPU": lambda: neighbour_findings(
        seen(gpus=["/dev/nvidia1", "/dev/nvidia0"]), ("/dev/nvidia0",)
    ),
    "kernels": lambda: kernel_findings(seen(kernels=BROKEN)),
    "no kernel": lambda: kernel_findings(seen()),
}


@pytest.mark.parametrize("name", CASES)
def test_finding(name: str) -> None:
    assert [str(one) for one in CASES[name]()] == messages()[name]


def test_every_message_has_a_case_and_every_text_a_message() -> None:
    assert [*messages()] == [*CASES]
    told = {line.partition(":")[0] for lines in messages().values() for line in lines}
    assert told == {*TEXTS}


def test_a_sound_wiring_has_no_findings() -> None:
    assert [*rehearsed()()] == []
    assert [*real()()] == []
    assert unasked_findings(seen(**NONE, gpus=[])) == ()
    assert neighbour_findings(seen(), ("/dev/nvidia0",)) == ()
    assert kernel_findings(seen(kernels=[kernel()])) == ()


def test_without_hardware_a_node_is_wired_all_the_same() -> None:
    assert [*rehearsed(**nodes(nvidiactl="ENXIO", nvidia0="ENODEV"))()] == []


def test_nvml_is_missed_where_the_image_uses_it() -> None:
    lacking = seen(**{**ON_A_GPU, "nvml": NO_NVML})
    assert [one.name for one in wiring(lacking, REAL)] == ["no-nvml"]
    assert wiring(lacking, replace(REAL, utility=False)) == ()


def test_a_driver_of_the_same_major_will_do() -> None:
    assert [*real(cuda=driver(stub=False, version=13000))()] == []


def test_every_text_says_what_to_do() -> None:
    assert [name for name, text in TEXTS.items() if text.count(";") != 1 or text.endswith(".")] == []
