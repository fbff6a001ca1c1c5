"""A program that is started, and the moment of its first answer."""

import selectors
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from bench.clock import FailedError, failure

PATIENCE = 60
EVERY = 0.01
"""Seconds between two requests: an open port is no event that anybody tells of."""


@contextmanager
def running(
    command: tuple[str, ...], env: Mapping[str, str], remove: tuple[str, ...]
) -> Iterator[subprocess.Popen[bytes]]:
    """The client and its container, which goes whatever happens."""
    child = subprocess.Popen(
        command, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        yield child
    finally:
        subprocess.run(remove, env=dict(env), capture_output=True, check=False)
        child.communicate()


def wait_for(child: subprocess.Popen[bytes], port: int, path: str) -> None:
    """Raises `FailedError` where the client ends, or nothing answers in time.

    A request that comes before the container has its network is stuck for a second, until the kernel tries
    again. So a new one is made every few milliseconds, and whichever is answered first counts.
    """
    begin = time.perf_counter()
    asked, end = begin, begin + PATIENCE
    with ExitStack() as stack, selectors.DefaultSelector() as open_ones:
        while (now := time.perf_counter()) < end:
            if child.poll() is not None:
                said = child.stdout.read() if child.stdout is not None else b""
                raise FailedError(failure("docker run", child.returncode, said.decode(errors="replace")))
            if now >= asked:
                asked = now + EVERY
                if (one := ask(port, path)) is not None:
                    open_ones.register(stack.enter_context(one), selectors.EVENT_READ)
            found = [is_answered(key.fileobj, open_ones) for key, _ in open_ones.select(asked - now)]
            if any(found):
                return
    raise FailedError(f"nothing answers at {path} after {PATIENCE} s")


def ask(port: int, path: str) -> socket.socket | None:
    """A connection with the request on its way; none where nobody listens."""
    asked = socket.socket()
    try:
        asked.connect(("127.0.0.1", port))
        asked.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    except OSError:
        asked.close()
        return None
    return asked


def is_answered(asked: Any, open_ones: selectors.BaseSelector) -> bool:
    """By 200; whatever else came, this one is over."""
    open_ones.unregister(asked)
    try:
        words: list[bytes] = asked.recv(64).split(None, 2)
    except OSError:
        words = []
    asked.close()
    return words[1:2] == [b"200"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
