"""The stub driver as a CDI specification, in the form in which NVIDIA's toolkit writes one for a driver."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from builder.gpu.native import VERSION, Native
from builder.model.cdi import CdiDevice, CdiMount, CdiSpec, DeviceNode, Edits, Hook
from builder.rootfs.closure import MACHINES, TRIPLETS

KIND = "temper.rehearsal/gpu"
HOOK = "nvidia-cdi-hook"
OPTIONS = ("ro", "nosuid", "nodev", "rbind", "rprivate")
CONTROL = ("/dev/nvidiactl", "/dev/nvidia-uvm")
NEWEST = {"12": "12999", "13": "13999"}
"""CUDA major -> a version that no runtime of it is newer than."""
CLAIMED = "TEMPER_REHEARSAL_CUDA"
"""Tells the stub which CUDA it knows; it stands in the container, where the stub is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Which nodes of the host stand for a GPU's. /dev/null opens for everybody, and makes nothing of it."""

    gpus: tuple[str, ...] = ("/dev/null", "/dev/null")
    control: str = "/dev/null"
    uvm: str = "/dev/null"
    permissions: str = "rw"


def uuid_of(number: int) -> str:
    """As the stub gives them: the end is the node's number and one."""
    return f"GPU-00000000-0000-0000-0000-{number + 1:012x}"


def library_folder(platform: str) -> str:
    return f"/usr/lib/{TRIPLETS[MACHINES[platform]]}"


def stub_spec(native: Native, platform: str, cuda: str, nodes: Nodes | None = None) -> CdiSpec:
    """`cuda` is what the stub claims to know: `13999`."""
    nodes = nodes or Nodes()
    folder = library_folder(platform)
    each = [_gpu(number, source, nodes.permissions) for number, source in enumerate(nodes.gpus)]
    named = [
        CdiDevice(name=str(number), container_edits=Edits(device_nodes=(node,)))
        for number, node in enumerate(each)
    ]
    common = Edits(
        env=("NVIDIA_VISIBLE_DEVICES=void", f"{CLAIMED}={cuda}"),
        device_nodes=tuple(
            DeviceNode(path=path, host_path=source, permissions=nodes.permissions)
            for path, source in zip(CONTROL, (nodes.control, nodes.uvm), strict=True)
        ),
        mounts=tuple(_library(path, folder) for path in (native.cuda, native.nvml)),
        hooks=_hooks(folder),
    )
    everything = CdiDevice(name="all", container_edits=Edits(device_nodes=tuple(each)))
    return CdiSpec(cdi_version="0.5.0", kind=KIND, devices=(*named, everything), container_edits=common)


def _gpu(number: int, source: str, permissions: str) -> DeviceNode:
    return DeviceNode(path=f"/dev/nvidia{number}", host_path=source, permissions=permissions)


def _library(path: Path, folder: str) -> CdiMount:
    """Under its whole version only: the other names are the hooks' work."""
    return CdiMount(host_path=str(path), container_path=f"{folder}/{path.name}", options=OPTIONS)


def _hooks(folder: str) -> tuple[Hook, ...]:
    links = [
        f"libcuda.so.{VERSION}::{folder}/libcuda.so.1",
        f"libcuda.so.1::{folder}/libcuda.so",
        f"libnvidia-ml.so.{VERSION}::{folder}/libnvidia-ml.so.1",
    ]
    symlinks = [word for link in links for word in ("--link", link)]
    return (
        _hook("create-symlinks", *symlinks),
        _hook("update-ldcache", "--folder", folder),
    )


def _hook(*words: str) -> Hook:
    return Hook(
        hook_name="createContainer",
        path=shutil.which(HOOK) or f"/usr/bin/{HOOK}",
        args=(HOOK, *words),
        env=("NVIDIA_CTK_DEBUG=false",),
    )
