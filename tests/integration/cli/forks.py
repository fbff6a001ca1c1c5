"""Processes of `temper` that needn't import it first: forks of one that has. Half a second saved each time.

Only what stands before `main()` differs from the command: the same streams, folder, environment and signals.
As a program: the process that is forked, with a socket to the tests as its stdin.
"""

import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO

USED = (
    "builder.cli", "builder.pipeline", "builder.live", "builder.show", "builder.config.schema",
    "builder.console", "builder.packages.transfer", "docker", "pysequoia",
)  # fmt: skip
"""What the verbs import themselves, as late as they can."""


@dataclass(frozen=True, slots=True)
class Forks:
    wire: socket.socket

    def start(
        self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str], out: int, err: int
    ) -> tuple[int, Callable[[], int]]:
        """The process's number, and how to wait for its exit code (negative for a signal)."""
        request = {"arguments": ["temper", *arguments], "cwd": str(cwd), "env": dict(env)}
        reading, writing = os.pipe()
        socket.send_fds(self.wire, [json.dumps(request).encode()], [out, err, writing])
        os.close(writing)
        status = os.fdopen(reading, "r")
        return int(status.readline()), lambda: _code(status)


def _code(status: IO[str]) -> int:
    with status:
        return os.waitstatus_to_exitcode(int(status.read()))


@contextmanager
def forking() -> Iterator[Forks]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with ours, subprocess.Popen([sys.executable, "-m", __name__], stdin=theirs, env=environment) as process:
        theirs.close()
        try:
            yield Forks(ours)
        finally:
            ours.close()
            process.wait()


def serve(wire: socket.socket) -> None:
    while True:
        request, descriptors, _, _ = socket.recv_fds(wire, 1 << 20, 3)
        if not request:
            return
        if os.fork() == 0:
            wire.close()
            watch(json.loads(request), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def watch(request: dict[str, object], out: int, err: int, status: int) -> None:
    """Tells the number of the command's process, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(status)
        become_temper(request, out, err)
    os.close(out)
    os.close(err)
    os.write(status, f"{pid}\n".encode())
    _, ended = os.waitpid(pid, 0)
    os.write(status, str(ended).encode())
    os._exit(0)


def become_temper(request: dict[str, object], out: int, err: int) -> None:
    from builder.cli import main  # noqa: PLC0415 - not for the tests' own process

    os.environ.clear()
    os.environ.update(request["env"])  # type: ignore[call-overload]
    os.chdir(str(request["cwd"]))
    sys.argv = list(request["arguments"])  # type: ignore[call-overload]
    for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), out, err)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    main()
    sys.exit()


if __name__ == "__main__":
    for name in USED:
        import_module(name)
    gc.freeze()  # a collection in a fork would copy all that they share
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who watch
    with socket.socket(fileno=os.dup(0)) as tests:
        serve(tests)
