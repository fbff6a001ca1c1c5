"""How an image that others built is started to try something in it: it has no run contract."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A file or folder of the host that the person who runs the image brings."""

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """As the engine starts it by itself, but for what follows.

    Always part of it: no new privileges, no health check of the image's own, bounded memory and processes.
    """

    image: str
    """The id of exactly the image that was read."""
    user: str = ""
    """Empty for the image's own."""
    env: tuple[tuple[str, str], ...] = ()
    """On top of the image's own."""
    capabilities: tuple[str, ...] = ()
    """On top of the engine's default ones."""
    mounts: tuple[Mount, ...] = ()
