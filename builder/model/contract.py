"""The run contract: how the image must be started, whatever the engine."""

from dataclasses import dataclass

from builder.errors import InputError
from builder.model.spec import State, Writable

SHARED = frozenset({"/tmp", "/var/tmp"})  # noqa: S108 - names of mount points, nothing is written there
"""Scratch space that any uid may use, as programs expect of it; the rest belongs to the image's user."""


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


def user_and_group(contract: RunContract) -> tuple[int, int]:
    """Raises `InputError` for a user by name: the numbers are needed for what is mounted."""
    uid, _, gid = contract.user.partition(":")
    if not uid.isdecimal() or not (gid or uid).isdecimal():
        raise InputError(f"user '{contract.user}': is not in digits; write it as uid:gid")
    return int(uid), int(gid or uid)


def tmpfs_options(contract: RunContract, scratch: Writable) -> str:
    """What engines take after `PATH:`; no setuid programs, no devices, no programs unless asked for.

    With the user's ids: runc gives a tmpfs the owner and mode of the folder that it covers otherwise.
    """
    uid, gid = user_and_group(contract)
    mode = "1777" if scratch.path in SHARED else "0700"
    run = "exec" if scratch.exec else "noexec"
    return f"rw,nosuid,nodev,{run},size={scratch.size},uid={uid},gid={gid},mode={mode}"
