"""Ulimits that an engine may not set, as on a host where it has no CAP_SYS_RESOURCE: told, and left out."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from builder.errors import EngineError
from builder.model.contract import RunContract

NUMBERS = {
    0: "cpu", 1: "fsize", 2: "data", 3: "stack", 4: "core", 5: "rss", 6: "nproc", 7: "nofile", 8: "memlock",
    10: "locks", 11: "sigpending", 12: "msgqueue", 13: "nice", 14: "rtprio", 15: "rttime",
}  # fmt: skip
"""asm-generic/resource.h."""
_SAID = re.compile(r"rlimit type (\d+)|RLIMIT_([A-Z]+)")
"""By runc, and by crun."""

C_co = TypeVar("C_co", covariant=True)


class Start(Protocol[C_co]):
    def __call__(self, contract: RunContract) -> AbstractContextManager[C_co]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Generic[C_co]):
    container: C_co
    contract: RunContract
    """What it was started by."""
    refused: dict[str, str] = field(default_factory=dict)
    """Ulimit -> the engine's reason."""


@contextmanager
def started(start: Start[C_co], contract: RunContract) -> Iterator[Started[C_co]]:
    """Without the ulimits that the engine refuses; raises `EngineError` for everything else."""
    refused: dict[str, str] = {}
    with ExitStack() as stack:
        while True:
            left = tuple(item for item in contract.ulimits if item[0] not in refused)
            possible = replace(contract, ulimits=left)
            try:
                container = stack.enter_context(start(possible))
                break
            except EngineError as error:
                name = refused_ulimit(str(error))
                if name not in dict(left):
                    raise
                refused[name] = str(error)
        yield Started(container=container, contract=possible, refused=refused)


def refused_ulimit(message: str) -> str:
    """Which one the engine speaks of; empty where it speaks of something else."""
    found = _SAID.search(message)
    if found is None:
        return ""
    return NUMBERS.get(int(found[1]), "") if found[1] else found[2].lower()
