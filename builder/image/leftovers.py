"""Whose container is this? A label tells, so that what a killed process left can be removed by the next."""

import os
from functools import cache
from pathlib import Path

LABEL = "temper.session"
"""On every container that Temper starts."""


@cache
def session() -> str:
    """This process, as no other one at any time: boot, process namespace, number, start time."""
    return f"{_place()}.{os.getpid()}.{_started(os.getpid())}"


def is_dead(label: str) -> bool:
    """Whether the process behind a label is known to be gone. One elsewhere is never known to be."""
    place, _, rest = label.partition(".")
    pid, _, started = rest.partition(".")
    if place != _place() or not pid.isdecimal():
        return False
    return _started(int(pid)) != started


@cache
def _place() -> str:
    """Process numbers mean something only within one boot and one PID namespace (pid_namespaces(7))."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return f"unknown-{os.urandom(8).hex()}"


def _started(pid: int) -> str:
    """Clock ticks after boot (proc(5), field 22); empty where no such process lives."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
