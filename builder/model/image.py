"""An image before it is written and after it is read back: a tree, its layers and the config."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from builder.model.spec import Healthcheck
from builder.model.tree import Rootfs


def sorted_env(variables: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """By name, after PATH: an engine that builds `FROM scratch` sets one before the first instruction, so
    that PATH comes first whatever the definition says."""
    return tuple(sorted(variables.items(), key=lambda item: (item[0] != "PATH", item)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """What an engine reads of an image besides its files (OCI image-spec 1.1, plus Docker's Healthcheck)."""

    platform: str
    """`linux/amd64`."""
    user: str = ""
    """Exactly as in the config: `65532:65532`; empty means root."""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    """In the order in which the config lists them."""
    workdir: str = "/"
    labels: tuple[tuple[str, str], ...] = ()
    ports: tuple[str, ...] = ()
    """`8000/tcp`."""
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None
    healthcheck_shell: bool = False
    """A foreign image's health check is in shell form (`CMD-SHELL`)."""
    on_build: tuple[str, ...] = ()
    """Dockerfile lines that run in a build on top of a foreign image."""
    created: int = 0
    """Seconds since the epoch."""

    def env_value(self, name: str) -> str | None:
        return dict(self.env).get(name)

    def with_env(self, **variables: str) -> "ImageConfig":
        """Sets variables, keeping the list in `sorted_env`'s order."""
        return replace(self, env=sorted_env({**dict(self.env), **variables}))

    def with_labels(self, labels: dict[str, str]) -> "ImageConfig":
        return replace(self, labels=tuple(sorted({**dict(self.labels), **labels}.items())))

    def replace(self, **changes: Any) -> "ImageConfig":
        return replace(self, **changes)

    @property
    def created_text(self) -> str:
        """RFC 3339, UTC."""
        moment = datetime.datetime.fromtimestamp(self.created, tz=datetime.UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer: `entries` are what it adds, `whiteouts` what it hides of the layers below."""

    name: str
    """`system`, `python`, `app`; of a foreign image, the step that made it."""
    rootfs: Rootfs
    whiteouts: tuple[str, ...] = ()
    digest: str = ""
    """`sha256:...` of the blob as stored; empty before it is written."""
    diff_id: str = ""
    """`sha256:...` of the uncompressed tar."""
    size: int = 0
    """Bytes of the blob as stored."""
    problems: tuple[str, ...] = ()
    """What made the archive unsafe (duplicate or escaping names, ...), each naming the entry."""


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Image:
    """`rootfs` is the merged tree; `layers` its parts, lowest first (none until `split()` or read back)."""

    rootfs: Rootfs
    config: ImageConfig
    layers: tuple[Layer, ...] = ()
    history: tuple[str, ...] = ()
    """`created_by` of each step, for images read back."""
    digest: str = ""
    """`sha256:...` of the manifest, once written."""
    size: int = 0
    """Sum of the compressed layers in bytes, once written."""
    annotations: tuple[tuple[str, str], ...] = field(default=())

    def replace(self, **changes: Any) -> "Image":
        return replace(self, **changes)
