"""The programs that are run by an image's own Python: with the frameworks' interfaces, over numpy."""

import subprocess
import sys
from pathlib import Path

import pytest

from builder.gpu.frameworks import FRAMEWORKS, PROGRAMS

CUPY = """
from contextlib import nullcontext
from types import SimpleNamespace
from numpy import *
__version__ = "14.2.0"
asnumpy = asarray
runtime = SimpleNamespace(getDeviceCount=lambda: 2, driverGetVersion=lambda: {driver})
cuda = SimpleNamespace(runtime=runtime, Device=lambda number: nullcontext())
"""
TORCH = """
import numpy
from types import SimpleNamespace
__version__ = "2.13.0"
version = SimpleNamespace(cuda={cuda!r})
float64, uint8 = numpy.float64, numpy.uint8
class Tensor(numpy.ndarray):
    def to(self, device): return self + {off}
    def cpu(self): return self
def arange(count, dtype): return numpy.arange(count, dtype=dtype).view(Tensor)
def equal(one, other): return bool(numpy.array_equal(one, other))
class OutOfMemoryError(RuntimeError): pass
def empty(size, dtype, device):
    if size > {room}: raise OutOfMemoryError
cuda = SimpleNamespace(
    is_available=lambda: {there}, device_count=lambda: 1, OutOfMemoryError=OutOfMemoryError,
    get_device_properties=lambda number: SimpleNamespace(total_memory=1000),
)
"""
GPU = {"cuda": "13.0", "off": 0, "room": 500, "there": True}


def run(folder: Path, program: str, *words: str, **modules: str) -> tuple[int, str]:
    """Its exit code and last words, with these modules before all others."""
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", (PROGRAMS / f"{program}.py").read_text(), *words],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, (done.stdout or done.stderr).strip().rpartition("\n")[2]


def test_each_framework_has_both_programs() -> None:
    assert sorted(path.stem for path in PROGRAMS.glob("*.py")) == sorted(
        f"{verb}_{name}" for verb in ("load", "work") for name in {*FRAMEWORKS.values()}
    )


def test_cupy(tmp_path: Path) -> None:
    fake = CUPY.format(driver=13000)
    assert run(tmp_path, "load_cupy", cupy=fake) == (0, "cupy 14.2.0, driver 13.0")
    assert run(tmp_path, "work_cupy", cupy=fake) == (0, "cupy 14.2.0, 2 GPUs")
    blind = CUPY.format(driver=0)
    assert run(tmp_path, "load_cupy", cupy=blind) == (
        1,
        "AssertionError: its CUDA runtime reaches no driver",
    )


def test_torch(tmp_path: Path) -> None:
    assert run(tmp_path, "work_torch", torch=TORCH.format(**GPU)) == (0, "torch 2.13.0, 1 GPUs")
    assert run(tmp_path, "work_torch", "0.5", torch=TORCH.format(**GPU)) == (
        0,
        "torch 2.13.0, 1 GPUs, 0.5 of the memory and no more",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"there": False}, "AssertionError: torch.cuda.is_available() is false"),
        ({"off": 1}, "AssertionError: GPU 0 computes something else than the CPU"),
        ({"room": 1000}, "520 bytes could be taken, more than the cap of 0.5"),
    ],
)
def test_torch_that_fails(tmp_path: Path, change: dict[str, object], message: str) -> None:
    fake = TORCH.format(**{**GPU, **change})
    assert run(tmp_path, "work_torch", "0.5", torch=fake) == (1, message)


def test_a_torch_for_the_cpu_alone(tmp_path: Path) -> None:
    fake = TORCH.format(**{**GPU, "cuda": None})
    message = "AssertionError: this torch is built for the CPU alone; take the CUDA build"
    assert run(tmp_path, "load_torch", torch=fake) == (1, message)


def test_onnxruntime_that_falls_back_to_the_cpu(tmp_path: Path) -> None:
    """The real one, in its build without CUDA."""
    assert run(tmp_path, "work_onnxruntime") == (1, "it fell back to CPUExecutionProvider")
    code, said = run(tmp_path, "load_onnxruntime")
    assert code == 1
    assert "libonnxruntime_providers" in said
