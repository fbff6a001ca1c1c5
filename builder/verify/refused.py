"""What an engine or this host's kernel can't set: told with the engine's reason, and left out.

Ulimits without CAP_SYS_RESOURCE, processors and memory nodes that are not there, parameters that this kernel
has not apart for each network.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from builder.errors import EngineError
from builder.model.contract import RunContract
from builder.model.scheduling import ANY

NUMBERS = {
    0: "cpu", 1: "fsize", 2: "data", 3: "stack", 4: "core", 5: "rss", 6: "nproc", 7: "nofile", 8: "memlock",
    10: "locks", 11: "sigpending", 12: "msgqueue", 13: "nice", 14: "rtprio", 15: "rttime",
}  # fmt: skip
"""asm-generic/resource.h."""
_ULIMIT = re.compile(r"rlimit type (\d+)|RLIMIT_([A-Z]+)")
"""By runc, and by crun."""
_SYSCTL = re.compile(r"/proc/sys/([\w./-]*\w)")
_CPUS = re.compile(r"Requested CPUs are not available|cpuset\.cpus\b")
_NODES = re.compile(r"Requested memory nodes are not available|cpuset\.mems\b")
"""By Docker, and by a runtime that writes the cgroup's file."""

C_co = TypeVar("C_co", covariant=True)


class Start(Protocol[C_co]):
    def __call__(self, contract: RunContract) -> AbstractContextManager[C_co]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Generic[C_co]):
    container: C_co
    contract: RunContract
    """What it was started by."""
    refused: dict[str, str] = field(default_factory=dict)
    """`memlock`, `cpuset-cpus`, `net.core.rmem_max` -> the engine's reason."""


@contextmanager
def started(start: Start[C_co], contract: RunContract) -> Iterator[Started[C_co]]:
    """Without what the engine refuses; raises `EngineError` for everything else."""
    refused: dict[str, str] = {}
    with ExitStack() as stack:
        while True:
            try:
                container = stack.enter_context(start(contract))
                break
            except EngineError as error:
                name, contract = without_refused(contract, str(error))
                if not name:
                    raise
                refused[name] = str(error)
        yield Started(container=container, contract=contract, refused=refused)


def without_refused(contract: RunContract, message: str) -> tuple[str, RunContract]:
    """What the engine speaks of, and the contract without it; no name where it is no such setting."""
    if (name := refused_ulimit(message)) in dict(contract.ulimits):
        return name, replace(contract, ulimits=tuple(item for item in contract.ulimits if item[0] != name))
    if (name := refused_sysctl(message)) in dict(contract.sysctls):
        return name, replace(contract, sysctls=tuple(item for item in contract.sysctls if item[0] != name))
    if contract.cpuset_cpus != ANY and _CPUS.search(message):
        return "cpuset-cpus", replace(contract, cpuset_cpus=ANY)
    if contract.cpuset_mems != ANY and _NODES.search(message):
        return "cpuset-mems", replace(contract, cpuset_mems=ANY)
    return "", contract


def refused_ulimit(message: str) -> str:
    """Which one the engine speaks of; empty where it speaks of something else."""
    found = _ULIMIT.search(message)
    if found is None:
        return ""
    return NUMBERS.get(int(found[1]), "") if found[1] else found[2].lower()


def refused_sysctl(message: str) -> str:
    found = _SYSCTL.search(message)
    return found[1].replace("/", ".") if found is not None else ""
