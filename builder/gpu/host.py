"""The GPUs of this machine, by NVML, else by nvidia-smi."""

import ctypes
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from builder import process
from builder.errors import InputError, ToolError

NVML = "libnvidia-ml.so.1"
LISTED = re.compile(r"GPU (?P<index>\d+): .*\(UUID: (?P<uuid>[^)]+)\)")
"""A line of `nvidia-smi -L`."""
ALL = "all"
REHEARSAL = "rehearsal"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostGpu:
    index: int
    uuid: str
    minor: int
    """Its node is /dev/nvidia<minor>."""

    @property
    def node(self) -> str:
        return f"/dev/nvidia{self.minor}"


Load = Callable[[str], Any]


def host_gpus(load: Load = ctypes.CDLL) -> tuple[HostGpu, ...]:
    """Raises `ToolError` where this machine has none, or nobody can be asked."""
    try:
        library = load(NVML)
    except OSError:
        return _by_program()
    if hasattr(library, "temper_stub_nvml"):
        raise ToolError(f"no GPU on this machine: its {NVML} is Temper's stub; take it off the loader's path")
    found = _by_library(library)
    if not found:
        raise ToolError("no GPU on this machine: NVML answers, and knows of none; see `nvidia-smi -L`")
    return found


def _by_library(library: Any) -> tuple[HostGpu, ...]:
    _call(library, "nvmlInit_v2")
    try:
        count = ctypes.c_uint()
        _call(library, "nvmlDeviceGetCount_v2", ctypes.byref(count))
        return tuple(_gpu(library, index) for index in range(count.value))
    finally:
        library.nvmlShutdown()


def _gpu(library: Any, index: int) -> HostGpu:
    handle, minor = ctypes.c_void_p(), ctypes.c_uint()
    uuid = ctypes.create_string_buffer(96)
    _call(library, "nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle))
    _call(library, "nvmlDeviceGetUUID", handle, uuid, ctypes.c_uint(len(uuid)))
    _call(library, "nvmlDeviceGetMinorNumber", handle, ctypes.byref(minor))
    return HostGpu(index=index, uuid=uuid.value.decode(), minor=minor.value)


def _call(library: Any, name: str, *arguments: Any) -> None:
    code = getattr(library, name)(*arguments)
    if code != 0:
        raise ToolError(
            f"no GPU on this machine: {name} ends with {code}; see the kernel's log and `nvidia-smi`"
        )


def _by_program() -> tuple[HostGpu, ...]:
    """It tells no minor numbers: they are the indexes unless somebody took a GPU away."""
    if shutil.which("nvidia-smi") is None:
        raise ToolError(
            f"no GPU on this machine: neither {NVML} nor nvidia-smi is there; run this where there is one; "
            "a rehearsal needs none"
        )
    try:
        text = process.run(["nvidia-smi", "-L"]).stdout.decode(errors="replace")
    except ToolError as error:
        raise ToolError(f"no GPU on this machine: {error}") from None
    found = [(int(line["index"]), line["uuid"]) for line in LISTED.finditer(text)]
    if not found:
        raise ToolError("no GPU on this machine: `nvidia-smi -L` lists none; run this where there is one")
    return tuple(HostGpu(index=index, uuid=uuid, minor=index) for index, uuid in found)


def chosen(gpus: tuple[HostGpu, ...], wanted: str) -> tuple[HostGpu, ...]:
    """`all`, an index or a UUID. Raises `InputError` where there is no such GPU."""
    if wanted == ALL:
        return gpus
    found = tuple(gpu for gpu in gpus if wanted in (str(gpu.index), gpu.uuid))
    if not found:
        there = ", ".join(f"{gpu.index} ({gpu.uuid})" for gpu in gpus)
        raise InputError(f"--gpu: there is no GPU '{wanted}' on this machine; there are: {there}")
    return found


WANTED = re.compile(r"all|rehearsal|[0-9]{1,3}|(GPU|MIG)-[0-9a-fA-F/-]{8,}")
"""Whatever machine it is run on."""
