"""Where a container runs and what it is told at its start: processors, kernel parameters, variables, MPS."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from builder.model.base import Strict
from builder.model.spec import EnvName

ANY = "all"
"""Of processors and memory nodes: whichever the host has."""
HIGHEST = 8191
"""The most processors that Linux is built for (CONFIG_NR_CPUS)."""
_RANGE = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")


def numbers(text: str) -> frozenset[int]:
    """`0-2,8` -> 0, 1, 2, 8: the list format of cpuset(7). Raises `ValueError` for anything else."""
    return frozenset(number for part in text.split(",") for number in _numbers(part, text))


def _numbers(part: str, text: str) -> Iterator[int]:
    found = _RANGE.fullmatch(part)
    if found is None:
        raise ValueError(f"'{text}' is no list of numbers; write one such as '0-3,8', or '{ANY}'")
    first, last = int(found[1]), int(found[2] or found[1])
    if last < first:
        raise ValueError(f"'{part}' runs backwards; write '{last}-{first}'")
    if last > HIGHEST:
        raise ValueError(f"'{part}' is too large; {HIGHEST} is the highest number that Linux has")
    yield from range(first, last + 1)


def as_set(text: str) -> str:
    if text != ANY:
        numbers(text)
    return text


CpuSet = Annotated[str, AfterValidator(as_set)]
"""Numbers of processors or of memory nodes: `0-3,8`, or `all`."""

IPC = "holds for the container's own IPC namespace"
NETWORK = "holds for the container's own network namespace"
NAMESPACED: Mapping[str, str] = {
    "fs.mqueue.": IPC,
    "kernel.msgmax": IPC,
    "kernel.msgmnb": IPC,
    "kernel.msgmni": IPC,
    "kernel.sem": IPC,
    "kernel.shm_rmid_forced": IPC,
    "kernel.shmall": IPC,
    "kernel.shmmax": IPC,
    "kernel.shmmni": IPC,
    "net.": NETWORK,
}
"""Kernel parameters, or how their names begin, that engines set for one container, and why they may: moby and
Podman take these and no others. Which of `net.` a kernel has apart for each network it says at the start."""
SAFE = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_syncookies",
    }
)
"""Those that Pod Security's baseline lets a pod set (Kubernetes 1.30)."""
_SYSCTL = re.compile(r"[a-z0-9_]+(\.[A-Za-z0-9_-]+)+")


def namespaced(name: str) -> str:
    if not _SYSCTL.fullmatch(name):
        raise ValueError(f"'{name}' is no kernel parameter; write its name with dots, as sysctl(8) has it")
    if any(name.startswith(known) if known.endswith(".") else name == known for known in NAMESPACED):
        return name
    choice = ", ".join(f"{known}*" if known.endswith(".") else known for known in NAMESPACED)
    raise ValueError(
        f"'{name}' holds for the whole host; set it there (a container has its own of: {choice})"
    )


def as_parameter(value: Any) -> Any:
    """Numbers need no quotes. One line of what the kernel's files take."""
    if isinstance(value, bool):
        raise ValueError(f"'{str(value).lower()}' is no value of a kernel parameter; write 0 or 1")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z0-9_.:, -]+", value):
        raise ValueError(f"'{value}' is no value of a kernel parameter; write numbers and words on one line")
    return value


SysctlName = Annotated[str, AfterValidator(namespaced)]
SysctlValue = Annotated[str, BeforeValidator(as_parameter, json_schema_input_type=str | int)]

_NOT_PASSED = re.compile(
    r"LD_.*|GLIBC_TUNABLES|GCONV_PATH|PATH|PYTHON.*|(NVIDIA|AMD)_.*|CUDA_VERSION|.*(TOKEN|SECRET|PASSWORD).*"
)


def may_be_passed(name: str) -> str:
    if _NOT_PASSED.fullmatch(name):
        why = "loads code, opens devices or holds a secret; a name such as 'NCCL_DEBUG' may be passed"
        raise ValueError(f"'{name}' {why}")
    return name


PassedName = Annotated[EnvName, AfterValidator(may_be_passed)]
"""A variable whose value comes from whoever starts the container."""

MpsDevice = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]?)$")]
"""As CUDA counts them inside the container."""
MpsSize = Annotated[str, Field(pattern=r"^[1-9][0-9]*[mg]$")]


class Mps(Strict):
    """What a process takes at most of a GPU that several share by NVIDIA's Multi-Process Service. The service
    keeps the process to it; where none runs on the host, nobody does."""

    memory: dict[MpsDevice, MpsSize] | None = None
    """Number of a GPU -> of its memory: `{"0": 8g}`."""
    threads: Annotated[int, Field(ge=1, le=100)] | None = None
    """Per cent of its multiprocessors."""

    @property
    def variables(self) -> dict[str, str]:
        """Source: NVIDIA Multi-Process Service (CUDA 13), environment variables."""
        limits = [f"{device}={size.upper()}" for device, size in sorted((self.memory or {}).items())]
        found = {"CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": ",".join(limits)} if limits else {}
        if self.threads is not None:
            found["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] = str(self.threads)
        return found
