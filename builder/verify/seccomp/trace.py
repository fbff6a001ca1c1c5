"""What strace wrote, a file for each thread -> the calls of the image's programs, and those of the probes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from builder.errors import ToolError
from builder.verify.session import MOUNT

CALL = re.compile(r"([a-z_][a-z0-9_]*)\(")
RESULT = re.compile(r"\) += (\S+)(?: (E[A-Z]+))?")
STARTED = re.compile(r'execve\("((?:[^"\\]|\\.)*)"')
CHILD = re.compile(r"(?:clone|clone3|fork|vfork)\(")
HERE = ("/proc/self/exe",)
"""What a program calls to start itself anew: busybox, for each of its own."""


@dataclass(slots=True)
class Recording:
    """Of each call, how it ended: `` for anything but an error, else the error's name."""

    program: dict[str, set[str]] = field(default_factory=dict)
    """Calls of the image's programs."""
    probe: dict[str, set[str]] = field(default_factory=dict)
    """Calls of the toolbox's: they tell nothing of the image."""


def read_traces(folder: Path) -> Recording:
    """`strace -ff -o FOLDER/t`: each thread's calls are in the file `t.<number>`, and a thread goes on as
    whatever its parent was when it was made.

    Raises `ToolError` where nothing was recorded.
    """
    files = {path.suffix[1:]: path for path in folder.iterdir()}
    recording = Recording()
    waiting = [(number, is_probe) for number, is_probe in _firsts(files)]
    if not waiting:
        raise ToolError("strace recorded nothing: can programs be traced in containers on this machine?")
    while waiting:
        number, is_probe = waiting.pop()
        if path := files.pop(number, None):
            waiting += _read(path, is_probe, recording)
    for path in files.values():  # its parent's file was cut off: too many calls are better than too few
        _read(path, False, recording)
    return recording


def _firsts(files: dict[str, Path]) -> Iterator[tuple[str, bool]]:
    """Those that strace itself started: they begin with execve."""
    for number, path in files.items():
        with path.open(encoding="utf-8", errors="replace") as file:
            if STARTED.match(file.readline()):
                yield number, False


def _read(path: Path, is_probe: bool, recording: Recording) -> list[tuple[str, bool]]:
    """Returns the children, and what they begin as."""
    children = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not (call := CALL.match(line)):
                continue
            result = RESULT.search(line)
            error = (result[2] or "") if result else ""
            if (started := STARTED.match(line)) and not error and started[1] not in HERE:
                is_probe = started[1].startswith(f"{MOUNT}/")
            into = recording.probe if is_probe else recording.program
            into.setdefault(call[1], set()).add(error)
            if CHILD.match(line) and result and not error:
                children.append((_number(result[1]), is_probe))
    return children


def _number(text: str) -> str:
    """Results are in hexadecimal where strace was told to leave arguments alone."""
    try:
        return str(int(text, 0))
    except ValueError:  # `?`: it never returned
        return ""


def let_through(calls: dict[str, set[str]], default: frozenset[str]) -> frozenset[str]:
    """Without those that never worked: they got ENOSYS, or EPERM from the engine's default profile. The
    program went on without them, and can again."""
    return frozenset(
        call
        for call, errors in calls.items()
        if errors != {"ENOSYS"} and (call in default or not errors <= {"ENOSYS", "EPERM"})
    )
