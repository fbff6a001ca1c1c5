"""What a host adds to a container so that it has a GPU, in the words of an engine. Pure data."""

from dataclasses import dataclass, replace

from builder.model.trial import Mount


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNode:
    host: str
    """Which device: its node on the host."""
    path: str
    """Its place in the container."""
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """Either a request, which the engine answers by itself, or everything piece by piece."""

    cdi: tuple[str, ...] = ()
    """Names of CDI devices, where the engine knows CDI: `nvidia.com/gpu=all`."""
    gpus: tuple[str, ...] = ()
    """For NVIDIA's own runtime: `all`, or indexes and UUIDs."""
    nodes: tuple[HostNode, ...] = ()
    mounts: tuple[Mount, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    groups: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()
    """What was asked for and can't be said to the engine, each with the consequence."""

    def without_node(self, path: str) -> "Injection":
        return replace(self, nodes=tuple(node for node in self.nodes if node.path != path))

    def with_env(self, **values: str) -> "Injection":
        return replace(self, env=tuple(sorted({**dict(self.env), **values}.items())))

    def with_groups(self, *groups: int) -> "Injection":
        return replace(self, groups=tuple(sorted({*self.groups, *groups})))


NOTHING = Injection()
