"""The probe at work: in a container that is started by the image's run contract, with a GPU injected."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from builder.gpu.native import Native
from builder.gpu.seen import Seen, read
from builder.model.contract import RunContract
from builder.model.image import Image
from builder.model.injection import NOTHING, Injection
from builder.model.spec import GpuSpec
from builder.model.trial import Mount
from builder.verify.refused import started

PROBE = "/.temper-gpu-probe"
WITHIN = 120
"""Seconds: the first start of a real driver wakes the card up."""
CAPS = ("CUPY_GPU_MEMORY_LIMIT", "PYTORCH_ALLOC_CONF", "XLA_PYTHON_CLIENT_MEM_FRACTION")
"""What `gpu.memory-fraction` drives."""


class Container(Protocol):
    def wait(self, seconds: int) -> int: ...
    def logs(self) -> bytes: ...
    def changes(self) -> tuple[str, ...] | None: ...


class Starter(Protocol):
    """What of an engine is needed: `image.engine.Engine` has it."""

    def info(self) -> dict[str, Any]: ...
    def start(
        self,
        contract: RunContract,
        *,
        mounts: Sequence[Mount],
        program: Sequence[str],
        injection: Injection,
    ) -> AbstractContextManager[Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    seen: Seen
    changed: tuple[str, ...] | None
    """Paths that the container has and its image hasn't, or that differ; `None` where nobody can tell."""
    refused: dict[str, str] = field(default_factory=dict)
    """Ulimits that the engine could not set, and its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    code: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probing:
    """An image in an engine, and the probe."""

    engine: Starter
    contract: RunContract
    native: Native
    nodes: tuple[str, ...] = ()
    """That are opened, whether or not they are injected."""
    runtimes: tuple[str, ...] = ()
    """Where the image has libcudart."""
    variables: tuple[str, ...] = ()

    def look(self, injection: Injection = NOTHING, *, kernel: bool = False) -> Look:
        """Raises `EngineError` where the engine refuses, `ProbeError` where the probe breaks off."""
        mounts = (Mount(source=self.native.probe, target=PROBE),)
        program = (PROBE, *self.arguments(), *(("--kernel",) if kernel else ()))
        start = partial(self.engine.start, mounts=mounts, program=program, injection=injection)
        with started(start, self.contract) as ran:
            ran.container.wait(WITHIN)
            seen = read(ran.container.logs().decode(errors="replace"))
            return Look(seen=seen, changed=ran.container.changes(), refused=ran.refused)

    def arguments(self) -> tuple[str, ...]:
        words = [("--node", node) for node in self.nodes]
        words += [("--runtime", path) for path in self.runtimes]
        words += [("--variable", name) for name in self.variables]
        return tuple(word for pair in words for word in pair)

    def run(self, program: Sequence[str], injection: Injection) -> Answer:
        """A program of the image's own, to its end."""
        start = partial(self.engine.start, mounts=(), program=program, injection=injection)
        with started(start, self.contract) as ran:
            code = ran.container.wait(WITHIN)
            return Answer(code=code, text=ran.container.logs().decode(errors="replace"))

    def of_nodes(self, *nodes: str) -> "Probing":
        return replace(self, nodes=nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An image, under the name by which `contract.image` starts it."""

    platform: str
    contract: RunContract
    gpu: GpuSpec
    wheels: Mapping[str, str]
    """Name -> version."""
    runtimes: tuple[str, ...]
    """Where it has libcudart."""
    image: Image | None = None
    """Its files, where they are known by more than a folder."""

    def probing(self, engine: Starter, native: Native, nodes: tuple[str, ...] = ()) -> Probing:
        return Probing(
            engine=engine,
            contract=self.contract,
            native=native,
            nodes=nodes,
            runtimes=self.runtimes,
            variables=tuple(caps(self.contract)),
        )


def caps(contract: RunContract) -> dict[str, str]:
    """What bounds the memory of a GPU that the program takes: in the image, or told at the start."""
    return {**{name: value for name, value in contract.env if name in CAPS}, **dict(contract.given)}


def runtimes_of(image: Image) -> tuple[str, ...]:
    """Every libcudart of the image, each file once."""
    found = (entry.path for entry in image.rootfs.files() if is_runtime(entry.path.rpartition("/")[2]))
    return tuple(f"/{path}" for path in sorted(found))


def is_runtime(name: str) -> bool:
    return name.startswith("libcudart.so.")


def injected_paths(injection: Injection) -> frozenset[str]:
    """Places, and the folders above them, that an engine makes in the container for what it injects."""
    targets = [mount.target for mount in injection.mounts] + [node.path for node in injection.nodes]
    return frozenset(path for target in (*targets, PROBE) for path in _with_parents(target))


def _with_parents(path: str) -> list[str]:
    found = [path]
    while path := path.rpartition("/")[0]:
        found.append(path)
    return found
