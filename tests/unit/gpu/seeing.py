"""What a probe sees in a container that is wired as it should be; each test says what is otherwise."""

from typing import Any

from builder.gpu.seen import Seen

NODES = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia0")
UUID = "GPU-00000000-0000-0000-0000-000000000001"
FOLDER = "/usr/lib/x86_64-linux-gnu"
CUDART = "/opt/cuda/libcudart.so.13"


def library(name: str, **changes: Any) -> dict[str, Any]:
    sound = {"path": f"{FOLDER}/{name}", "error": "", "mounted": True, "stub": True, "init": 0, "count": 1}
    return {**sound, "uuids": [UUID], **changes}


def absent(name: str, error: str = "") -> dict[str, Any]:
    """As dlopen has it."""
    said = error or f"{name}: cannot open shared object file: No such file or directory"
    changes = {
        "path": "",
        "error": said,
        "mounted": False,
        "stub": False,
        "init": -1,
        "count": 0,
        "uuids": [],
    }
    return library(name, **changes)


def runtime(**changes: Any) -> dict[str, Any]:
    sound = {"path": CUDART, "error": "", "version": 13050, "driver": 13999, "code": 801, "count": 0}
    return {**sound, **changes}


def driver(**changes: Any) -> dict[str, Any]:
    return {**library("libcuda.so.1"), "version": 13999, **changes}


def seen(**changes: Any) -> Seen:
    sound = {
        "uid": 65532,
        "gid": 65532,
        "groups": [],
        "memlock": -1,
        "shm": 64 << 20,
        "variables": {},
        "nodes": dict.fromkeys(NODES, "ok"),
        "gpus": ["/dev/nvidia0"],
        "mounts": [],
        "cuda": driver(),
        "nvml": library("libnvidia-ml.so.1"),
        "runtimes": [runtime()],
        "kernels": [],
    }
    return Seen.model_validate({**sound, **changes})


NO_CUDA = {**absent("libcuda.so.1"), "version": 0}
NO_NVML = absent("libnvidia-ml.so.1")
