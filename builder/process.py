"""The only importer of subprocess."""

import logging
import os
import select
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from builder.errors import ToolError

log = logging.getLogger("temper")


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program to its end, its output captured. Never through a shell.

    Raises `ToolError` where the program is missing or, with `check`, fails.
    """
    words = [str(word) for word in command]
    log.info("+ %s", shlex.join(words))
    try:
        done = subprocess.run(words, env=env, input=stdin, cwd=cwd, capture_output=True, check=False)
    except FileNotFoundError:
        raise ToolError(f"{words[0]}: program not found; install it or put it on the PATH") from None
    if check and done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or "it said nothing"
        raise ToolError(f"{shlex.join(words)}: exit {done.returncode}: {said}")
    return done


def filtered(command: Sequence[str | Path], *, source: BinaryIO, target: BinaryIO, cwd: Path) -> None:
    """Runs a program from one file to another, its environment empty. Raises `ToolError` as `run` does."""
    words = [str(word) for word in command]
    log.info("+ %s", shlex.join(words))
    try:
        done = subprocess.run(
            words, env={}, stdin=source, stdout=target, stderr=subprocess.PIPE, cwd=cwd, check=False
        )
    except FileNotFoundError:
        raise ToolError(f"{words[0]}: program not found; install it or put it on the PATH") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or "it said nothing"
        raise ToolError(f"{words[0]}: exit {done.returncode}: {said}")


class Begun:
    """A program that runs already, and is yet to be told what to work on."""

    def __init__(self, popen: subprocess.Popen[bytes], pipe: int, output: IO[bytes]) -> None:
        self._popen = popen
        self._pipe = os.fdopen(pipe, "wb")
        self._output = output

    def finish(self, told: bytes) -> tuple[int, bytes]:
        """Its exit code and all that it said. One that ended before it was told says itself why."""
        with suppress(BrokenPipeError):
            self._pipe.write(told)
        self._hang_up()
        code = self._popen.wait()
        self._output.seek(0)
        return code, self._output.read()

    def kill(self) -> None:
        """And waits for its end. Nothing happens to one that has ended."""
        self._hang_up()
        self._popen.kill()
        self._popen.wait()

    def _hang_up(self) -> None:
        with suppress(BrokenPipeError):
            self._pipe.close()


@contextmanager
def begun(
    command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, argument: str
) -> Iterator[Begun]:
    """Starts a program, so that it gets ready while other things are. Killed where the block ends before it.

    `argument` is an option of it that takes a file, which it can read to the end after `finish` only.
    """
    reading, writing = os.pipe()
    words = [*(str(word) for word in command), argument, f"/dev/fd/{reading}"]
    log.info("+ %s", shlex.join(words))
    with tempfile.TemporaryFile() as output:  # a pipe would have to be emptied while nobody waits for it
        try:
            popen = subprocess.Popen(
                words, env=env, cwd=cwd, pass_fds=[reading],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        running = Begun(popen, writing, output)
        try:
            yield running
        finally:
            running.kill()


LOOK_EVERY = 0.25
"""Seconds between two looks at how much a program has written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    code: int
    """Negative for a signal."""
    stopped: str = ""
    """Why it was killed: `took longer than 5 s`, `wrote more than 1 MB`; empty where it ended by itself."""


def bounded(  # noqa: PLR0913 - the bounds, by name
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: Path,
    errors: Path,
    answers: Sequence[Path] = (),
    seconds: float,
    largest: int,
) -> Ended:
    """Runs a program that nobody answers for: with its children it is gone when this returns, or raises.

    What it writes lands in the two files, and in those that it is told to write as `answers`; each may have
    `largest` bytes. Raises `ToolError` where it can't be started.
    """
    words = [str(word) for word in command]
    log.info("+ %s", shlex.join(words))
    with output.open("wb") as out, errors.open("wb") as err:
        try:
            popen = subprocess.Popen(
                words, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ToolError(f"{words[0]}: can't be started: {reason}") from None
        stopped = ""
        try:
            stopped = _watched(popen.pid, (output, errors, *answers), seconds, largest)
        finally:
            with suppress(ProcessLookupError):  # before it is waited for: its number is still its own
                os.killpg(popen.pid, signal.SIGKILL)
            code = popen.wait()
    return Ended(code=code, stopped=stopped)


def _watched(pid: int, files: Sequence[Path], seconds: float, largest: int) -> str:
    """Waits for the program's end; why it has to be stopped, or nothing."""
    end = time.monotonic() + seconds
    descriptor = os.pidfd_open(pid)
    try:
        while not select.select([descriptor], [], [], max(0, min(LOOK_EVERY, end - time.monotonic())))[0]:
            if any(path.is_file() and path.stat().st_size > largest for path in files):
                return f"wrote more than {largest // 1_000_000} MB"
            if time.monotonic() >= end:
                return f"took longer than {seconds:g} s"
    finally:
        os.close(descriptor)
    return ""
