"""How long a program takes, what it costs the processors, and how much memory it needs."""

import os
import subprocess
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TAIL = 2000
"""Bytes of a program's output that are kept for the reason of a failure."""


LONGEST_REASON = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run of a program."""

    seconds: float
    cpu: float
    """User and system seconds, of its children too."""
    peak: int
    """Largest resident set of the program or of one of its children, in bytes."""


class FailedError(Exception):
    """A program that is missing or failed; the text is the reason that a row of the results gives."""


def run(
    command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, fine: Collection[int] = (0,)
) -> Ran:
    """Runs a program to its end, its output thrown away. Raises `FailedError` for an exit code not `fine`.

    The kernel counts a new program's memory from what its parent held when it was started, so this process
    has to stay small: it imports none of Temper's stages.
    """
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as said:
        begin = time.perf_counter()
        try:
            child = subprocess.Popen(
                words, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        except FileNotFoundError:
            raise FailedError(f"{words[0]} is not installed") from None
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.terminate()  # a `docker build` ends with its client
            child.wait()
            raise
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in fine:
            said.seek(max(0, said.seek(0, os.SEEK_END) - TAIL))
            raise FailedError(failure(words[0], child.returncode, said.read().decode(errors="replace")))
    return Ran(seconds=seconds, cpu=usage.ru_utime + usage.ru_stime, peak=usage.ru_maxrss * 1024)


def failure(program: str, code: int, said: str) -> str:
    """apt's last `E:` line, else the last line that the program said, is its reason as a rule."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["it said nothing"]
    [*_, reason] = [line for line in lines if line.startswith("E: ")] or lines
    return f"{Path(program).name} ended with {code}: {reason[:LONGEST_REASON]}"


def output(command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path) -> str:
    """What a program prints. Raises `FailedError`."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, env=dict(env), cwd=cwd, capture_output=True, check=False)
    except FileNotFoundError:
        raise FailedError(f"{words[0]} is not installed") from None
    if done.returncode != 0:
        raise FailedError(failure(words[0], done.returncode, done.stderr.decode(errors="replace")))
    return done.stdout.decode()


def fixed_loop() -> float:
    """Seconds for an amount of work that never changes: how much it varies is the machine's noise."""
    begin = time.perf_counter()
    total = 0
    for number in range(1_000_000):
        total += number * number % 7
    assert total  # so that no interpreter may leave the loop out
    return time.perf_counter() - begin
