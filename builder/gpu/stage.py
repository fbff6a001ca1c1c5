"""What the rows of a rehearsal stand on: an image, the stub, and an engine that injects it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from builder.gpu.findings import Expected
from builder.gpu.native import Native
from builder.gpu.probing import Look, Probing, injected_paths
from builder.gpu.route import Route, rehearsed
from builder.gpu.stub import CONTROL, NEWEST, Nodes, stub_spec, uuid_of
from builder.gpu.translate import Host, ThisHost, edits_of, translated
from builder.model.cdi import Edits

GPUS = 2
DEFAULT_MAJOR = "13"
"""For an image that doesn't say which CUDA it is for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    probing: Probing
    native: Native
    info: Callable[[], Mapping[str, Any]]
    """Has the engine say what it knows: nothing where there is none."""
    platform: str
    cuda: str = DEFAULT_MAJOR
    scratch: Path
    """For device nodes."""
    host: Host = field(default_factory=ThisHost)

    def edits(self, *devices: str, cuda: str = "", nodes: Nodes | None = None) -> Edits:
        spec = stub_spec(self.native, self.platform, cuda or NEWEST[self.cuda], nodes)
        return edits_of(spec, devices or ("all",))

    @contextmanager
    def injected(self, edits: Edits) -> Iterator[Route]:
        with rehearsed(self.info, edits, self.host) as route:
            yield route

    def look(self, edits: Edits, groups: tuple[int, ...] | None = None) -> Look:
        """`groups` in the place of those that the injection brings along."""
        with self.injected(edits) as route:
            injection = route.injection
            return self.probing.look(injection if groups is None else replace(injection, groups=groups))

    def places(self, edits: Edits) -> frozenset[str]:
        """What an engine makes in a container for these edits, whichever way it is told of them."""
        return injected_paths(translated(edits, self.host))


def expected(*gpus: int) -> Expected:
    """Of a container that has the stub and these GPUs."""
    return Expected(
        nodes=(*CONTROL, *(f"/dev/nvidia{number}" for number in gpus)),
        uuids=tuple(uuid_of(number) for number in gpus),
        stub=True,
    )
