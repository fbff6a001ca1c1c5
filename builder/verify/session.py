"""A shell that stays open in a container: 0.5 ms a command where a fresh `docker exec` takes 50."""

import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from builder.errors import EngineError, TemperError

MOUNT = "/.toolbox"
BUSYBOX = f"{MOUNT}/busybox"
PRELUDE = Path(__file__).with_name("prelude.sh")
UNSEEN = "the probe shell does not start; can the engine see this machine's files and run programs from them?"
PATIENCE = 60.0
"""Seconds that a command may stay silent."""


class Session(Protocol):
    """A program in the container with its three streams, as `image.engine_session` gives it."""

    def send(self, data: bytes) -> None: ...
    def receive(self, seconds: float) -> tuple[int, bytes] | None:
        """Stream (1 or 2) and bytes; `None` at the end; `TimeoutError` after so many seconds of silence."""
        ...

    def close(self) -> None: ...


class Opener(Protocol):
    """What of a container is needed: `image.engine.Container` has it."""

    def open_session(
        self, argv: Sequence[str], environment: Mapping[str, str], user: str | None
    ) -> Session: ...


class SessionLost(TemperError):  # noqa: N818 - it says what happened
    """The shell ended or fell silent: the container, the engine or the command did it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    code: int
    stdout: bytes
    stderr: bytes


class Shell:
    """Opens at the first command, and again after one that broke it."""

    def __init__(
        self,
        container: Opener,
        user: str | None = None,
        patience: float = PATIENCE,
        tracer: Sequence[str] = (),
    ) -> None:
        """`tracer` comes before the shell's command line: what it is run under."""
        self._container = container
        self._command = [*tracer, BUSYBOX, "sh"]
        self._user = user
        self._patience = patience
        self._session: Session | None = None
        self.pid = 0
        """Of the shell itself, as the container numbers it: so that it can be left out of process lists."""

    def run(self, command: str) -> Answer:
        """Runs a shell command in a subshell of its own, its stdin empty.

        Raises `SessionLost` where no answer comes: the shell died, or stayed silent for too long.
        """
        if "\0" in command:
            raise ValueError(f"a command can't hold a NUL byte: {command!r}")
        if self._session is None:
            self._open()
        return self._ask(command)

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _open(self) -> None:
        """Raises `EngineError`: without a shell nothing can be said of the image."""
        self._session = self._container.open_session(self._command, {}, self._user)
        try:
            self._session.send(PRELUDE.read_bytes())
            answer = self._ask("echo $$")
        except SessionLost as error:
            raise EngineError(f"{UNSEEN}: {error}") from None
        if answer.code != 0 or answer.stderr:
            said = answer.stderr.decode(errors="replace").strip()
            self.close()
            raise EngineError(f"the probe shell does not start: {said}")
        self.pid = int(answer.stdout)

    def _ask(self, command: str) -> Answer:
        assert self._session is not None  # noqa: S101 - `run` opened it
        token = secrets.token_hex(16)
        line = f"_t_run {token} {shlex.quote(command)}\n".encode(errors="surrogateescape")
        try:
            self._session.send(line)
            return _collect(self._session, token.encode(), self._patience)
        except TimeoutError:
            self.close()
            raise SessionLost(f"no answer within {self._patience:g} s: {command}") from None
        except EOFError as error:
            self.close()
            said = str(error) or "it said nothing"
            raise SessionLost(f"the probe shell ended during '{command}': {said}") from None
        except (TemperError, KeyboardInterrupt):
            self.close()
            raise


class _Stream:
    """One stream between two tokens; what background processes of other commands write is around them."""

    def __init__(self, token: bytes, tail: bytes) -> None:
        self._token = token
        self._tail = tail
        self._data = bytearray()
        self._begin = -1
        self._end = -1

    def add(self, data: bytes) -> None:
        fresh = max(0, len(self._data) - len(self._token))
        self._data += data
        if self._begin < 0 and (found := self._data.find(self._token, fresh)) >= 0:
            self._begin = found + len(self._token)
        if self._begin >= 0 and self._end < 0:
            self._end = self._data.find(self._token, max(fresh, self._begin))

    @property
    def complete(self) -> bool:
        return self._end >= 0 and self._data.find(self._tail, self._end) >= 0

    @property
    def output(self) -> bytes:
        """So far; of a shell that died before it took the command, all that it said."""
        return bytes(self._data[max(0, self._begin) : self._end if self._end >= 0 else None])

    @property
    def behind(self) -> bytes:
        return bytes(self._data[self._end + len(self._token) :])


def _collect(session: Session, token: bytes, patience: float) -> Answer:
    """Reads until the token has come on both streams; frames of the two arrive in any order."""
    streams = {1: _Stream(token, b"\n"), 2: _Stream(token, b"")}
    while not all(stream.complete for stream in streams.values()):
        piece = session.receive(patience)
        if piece is None:
            said = (streams[2].output or streams[1].output).decode(errors="replace")
            raise EOFError(said.strip())
        streams[piece[0]].add(piece[1])
    code = int(streams[1].behind.split(b"\n", 1)[0])
    return Answer(code=code, stdout=streams[1].output, stderr=streams[2].output)
