"""A program running in a container, spoken to over one connection: `docker exec -i` without the CLI.

The Engine API multiplexes stdout and stderr of an exec into frames of an 8-byte header (stream, three zero
bytes, big-endian length) and a payload (Docker Engine API 1.41, "Attach to a container", stream format).
"""

import contextlib
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from builder.errors import EngineError

if TYPE_CHECKING:
    from docker import APIClient

HEADER = struct.Struct(">BxxxI")


class ExecSession:
    """Both directions of one running program. Not for two threads at once."""

    def __init__(self, response: Any) -> None:
        """`response` is what the SDK gives for `exec_start(socket=True)`: a wrapper around the socket, which
        alone can do time-outs and both directions, or over TLS the socket itself."""
        self._socket: socket.socket = getattr(response, "_sock", response)
        self._response = response
        self._pending = bytearray()

    def send(self, data: bytes) -> None:
        """Raises `EngineError` where the program or the engine is gone."""
        try:
            self._socket.settimeout(None)
            self._socket.sendall(data)
        except OSError as error:
            raise EngineError(f"the connection into the container broke: {error}") from None

    def receive(self, seconds: float) -> tuple[int, bytes] | None:
        """The next piece of output with its stream (1 stdout, 2 stderr); `None` when the program has ended.

        Raises `TimeoutError` when nothing came for so long, `EngineError` when the connection broke.
        """
        self._socket.settimeout(seconds)
        header = self._read(HEADER.size)
        if header is None:
            return None
        stream, size = HEADER.unpack(header)
        payload = self._read(size)
        return None if payload is None else (stream, payload)

    def _read(self, size: int) -> bytes | None:
        """Keeps what came before a time-out, so that the next call goes on where this one stopped."""
        while len(self._pending) < size:
            try:
                piece = self._socket.recv(1 << 16)
            except TimeoutError:
                raise
            except OSError as error:
                raise EngineError(f"the connection into the container broke: {error}") from None
            if not piece:
                return None
            self._pending += piece
        data = bytes(self._pending[:size])
        del self._pending[:size]
        return data

    def close(self) -> None:
        """The program reads end-of-file. Never raises: it runs where something else may be failing."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._response.close()
            self._socket.close()


def open_session(
    api: "APIClient",
    container: str,
    argv: Sequence[str],
    environment: Mapping[str, str],
    user: str | None,
) -> ExecSession:
    """Starts `argv` in a running container, with the container's own user where `user` is `None`.

    The SDK's errors pass through: the caller in `engine` knows how to tell them apart.
    """
    made = api.exec_create(
        container,
        list(argv),
        stdin=True,
        environment=dict(environment),
        user=user or "",
    )
    response = api.exec_start(made["Id"], socket=True)
    return ExecSession(response)
