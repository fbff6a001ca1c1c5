"""The GPUs of a machine, as NVML or nvidia-smi tell of them."""

import ctypes
import os
from pathlib import Path
from typing import Any

import pytest

from builder.errors import InputError, ToolError
from builder.gpu import host
from builder.gpu.host import HostGpu, chosen, host_gpus

GPUS = (HostGpu(index=0, uuid="GPU-aaaa", minor=0), HostGpu(index=1, uuid="GPU-bbbb", minor=3))
HOPPER = (
    "GPU 0: NVIDIA H200 (UUID: GPU-aaaa)\n  MIG 1g.18gb Device 0: (UUID: MIG-1)\nGPU 1: X (UUID: GPU-bbbb)\n"
)


class Nvml:
    """The library as ctypes has it; `codes` are of the calls that fail."""

    def __init__(self, gpus: tuple[HostGpu, ...] = GPUS, **codes: int) -> None:
        self.gpus = gpus
        self.codes = codes

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml"):
            raise AttributeError(name)
        answer = getattr(self, name.removeprefix("nvml"), lambda *_: None)

        def call(*arguments: Any) -> int:
            if name not in self.codes:
                answer(*arguments)
            return self.codes.get(name, 0)

        return call

    def DeviceGetCount_v2(self, count: Any) -> None:  # noqa: N802 - NVML's names
        count._obj.value = len(self.gpus)

    def DeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> None:  # noqa: N802
        handle._obj.value = index.value + 1

    def DeviceGetUUID(self, handle: Any, uuid: Any, _: Any) -> None:  # noqa: N802
        uuid.value = self.gpus[handle.value - 1].uuid.encode()

    def DeviceGetMinorNumber(self, handle: Any, minor: Any) -> None:  # noqa: N802
        minor._obj.value = self.gpus[handle.value - 1].minor


def absent(_: str) -> Any:
    raise OSError("libnvidia-ml.so.1: cannot open shared object file")


def smi(folder: Path, text: str, code: int = 0) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '%s' '{text}'\necho broken >&2\nexit {code}\n")
    program.chmod(0o755)


def refusal(load: Any) -> str:
    with pytest.raises(ToolError) as caught:
        host_gpus(load)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_nvml_tells_them() -> None:
    assert host_gpus(lambda _: Nvml()) == GPUS
    assert GPUS[1].node == "/dev/nvidia3"


def test_a_stub_is_refused_by_its_mark() -> None:
    stub = Nvml()
    stub.temper_stub_nvml = ctypes.c_char()  # type: ignore[attr-defined]
    assert refusal(lambda _: stub) == (
        "no GPU on this machine: its libnvidia-ml.so.1 is Temper's stub; take it off the loader's path"
    )


def test_nvml_knows_of_none() -> None:
    assert refusal(lambda _: Nvml(())) == (
        "no GPU on this machine: NVML answers, and knows of none; see `nvidia-smi -L`"
    )


def test_nvml_fails() -> None:
    assert refusal(lambda _: Nvml(nvmlInit_v2=9)) == (
        "no GPU on this machine: nvmlInit_v2 ends with 9; see the kernel's log and `nvidia-smi`"
    )


def test_nobody_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal(absent) == (
        "no GPU on this machine: neither libnvidia-ml.so.1 nor nvidia-smi is there; run this where there is "
        "one; a rehearsal needs none"
    )


def test_the_program_tells_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    smi(tmp_path, HOPPER)
    assert host_gpus(absent) == (
        HostGpu(index=0, uuid="GPU-aaaa", minor=0),
        HostGpu(index=1, uuid="GPU-bbbb", minor=1),
    )


def test_the_program_lists_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    smi(tmp_path, "")
    assert refusal(absent) == (
        "no GPU on this machine: `nvidia-smi -L` lists none; run this where there is one"
    )
    smi(tmp_path, "", code=9)
    assert refusal(absent) == "no GPU on this machine: nvidia-smi -L: exit 9: broken"


def test_one_is_chosen_by_its_number_or_its_name() -> None:
    assert chosen(GPUS, "all") == GPUS
    assert chosen(GPUS, "1") == chosen(GPUS, "GPU-bbbb") == GPUS[1:]


def test_one_that_is_not_there() -> None:
    with pytest.raises(InputError) as caught:
        chosen(GPUS, "7")
    assert str(caught.value) == (
        "--gpu: there is no GPU '7' on this machine; there are: 0 (GPU-aaaa), 1 (GPU-bbbb)"
    )
    assert host.WANTED.fullmatch("7")
