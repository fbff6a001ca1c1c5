"""The run contract: how the image must be started, whatever the engine."""

from dataclasses import dataclass

from builder.model.spec import State, Writable


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContract:
    """Read-only root, no capabilities, no new privileges and the engine's default seccomp profile are
    always part of it; only the rest varies."""

    image: str
    """What to run: `temper/python:hardened`."""
    name: str
    """A DNS label for containers, services and pods: `python`."""
    user: str
    """`65532:65532`."""
    workdir: str
    env: tuple[tuple[str, str], ...]
    """Not repeated on the command line: they stand in the image."""
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    ports: tuple[int, ...]
    tmpfs: tuple[Writable, ...]
    state: tuple[State, ...]
    memory: str
    """`512m`"""
    pids: int
    cpus: float
    shm: str
    stop_signal: str
