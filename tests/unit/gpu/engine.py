"""An engine whose containers see what a test says."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.gpu.native import Native
from builder.gpu.probing import Case
from builder.gpu.seen import Seen
from builder.model.contract import RunContract
from builder.model.injection import Injection
from builder.model.spec import GpuSpec, Writable
from builder.model.trial import Mount

Sees = Callable[[Injection], Seen]
NATIVE = Native(probe=Path("/native/probe"), cuda=Path("/native/cuda"), nvml=Path("/native/nvml"))
CONTRACT = RunContract(
    image="temper/app:hardened",
    name="app",
    user="65532:65532",
    workdir="/",
    env=(("A", "b"), ("PYTORCH_ALLOC_CONF", "per_process_memory_fraction:0.5")),
    entrypoint=("/app",),
    cmd=(),
    ports=(),
    tmpfs=(Writable(path="/tmp", size="64m"),),
    state=(),
    memory="512m",
    pids=64,
    cpus=1.0,
    shm="64m",
    stop_signal="SIGTERM",
)


def case(**changes: Any) -> Case:
    sound = {
        "platform": "linux/amd64",
        "contract": CONTRACT,
        "gpu": GpuSpec(vendor="nvidia", cuda="13"),
        "wheels": {},
        "runtimes": ("/opt/cuda/libcudart.so.13",),
    }
    return Case(**{**sound, **changes})


@dataclass
class Container:
    output: str
    code: int = 0
    changed: tuple[str, ...] | None = ()

    def wait(self, _: int) -> int:
        return self.code

    def logs(self) -> bytes:
        return self.output.encode()

    def changes(self) -> tuple[str, ...] | None:
        return self.changed


@dataclass
class Engine:
    sees: Sees
    changed: tuple[str, ...] | None = ()
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    """A word of a program -> its exit code and what it says."""
    asked: list[tuple[Injection, tuple[str, ...]]] = field(default_factory=list)

    def info(self) -> dict[str, Any]:
        return {"Runtimes": {"runc": {}}}

    @contextmanager
    def start(
        self,
        contract: RunContract,
        *,
        mounts: Sequence[Mount],
        program: Sequence[str],
        injection: Injection,
    ) -> Iterator[Container]:
        assert contract.image == CONTRACT.image
        assert all(mount.read_only for mount in mounts)
        self.asked.append((injection, tuple(program)))
        if program[0] == "python3":
            code, said = next(answer for word, answer in self.answers.items() if word in program[2])
            yield Container(f"{said}\n", code)
        else:
            yield Container(json.dumps(self.sees(injection).model_dump()), changed=self.changed)
