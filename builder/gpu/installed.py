"""The driver as it is installed on this machine, for one that no CDI specification describes."""

import re
from collections.abc import Iterator
from pathlib import Path

from builder import process
from builder.controls.driver import LIBRARY
from builder.errors import ToolError
from builder.gpu.host import HostGpu
from builder.gpu.stub import OPTIONS
from builder.model.cdi import CdiMount, DeviceNode, Edits, Hook

LISTED = re.compile(r"\s+(?P<name>lib\S+) \((?P<what>[^)]*)\) => (?P<path>/\S+)")
"""A line of `ldconfig -p`."""
MACHINE = ("x86-64", "AArch64")
SBIN = "/sbin/ldconfig"
NODES = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset")


def installed_edits(gpus: tuple[HostGpu, ...], folder: str) -> Edits:
    """What a specification would say. `folder` is where the image's loader looks.

    Raises `ToolError` where no libcuda is installed.
    """
    text = process.run([SBIN, "-p"]).stdout.decode(errors="replace")
    libraries = sorted({path.resolve() for path in _libraries(text)})
    if not any(path.name.startswith("libcuda.so") for path in libraries):
        raise ToolError(
            f"no libcuda.so.1 is installed here, by `{SBIN} -p`; install the driver's libraries, or name a "
            "CDI specification by --cdi"
        )
    nodes = [node for node in NODES if Path(node).exists()] + [gpu.node for gpu in gpus]
    return Edits(
        device_nodes=tuple(DeviceNode(path=node, permissions="rw") for node in nodes),
        mounts=tuple(
            CdiMount(host_path=str(path), container_path=f"{folder}/{path.name}", options=OPTIONS)
            for path in libraries
        ),
        hooks=(
            Hook(
                hook_name="createContainer",
                path=SBIN,
                args=("ldconfig", "update-ldcache", "--folder", folder),
                env=("NVIDIA_CTK_DEBUG=false",),
            ),
        ),
    )


def _libraries(text: str) -> Iterator[Path]:
    for line in text.splitlines():
        found = LISTED.fullmatch(line)
        if found and LIBRARY.fullmatch(found["name"]) and any(one in found["what"] for one in MACHINE):
            yield Path(found["path"])
