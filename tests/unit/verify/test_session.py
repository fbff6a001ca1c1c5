"""The conversation with the probe shell, against a scripted one."""

import re
from collections.abc import Callable, Mapping, Sequence

import pytest

from builder.errors import EngineError
from builder.verify.session import BUSYBOX, PRELUDE, SessionLost, Shell

Frames = list[tuple[int, bytes] | type[BaseException] | None]
Script = Callable[[str, bytes], Frames]
"""Command and token -> what the shell sends back."""


def framed(token: bytes, stdout: bytes = b"", stderr: bytes = b"", code: int = 0) -> Frames:
    return [(1, token + stdout + token + f" {code}\n".encode()), (2, token + stderr + token)]


class FakeSession:
    def __init__(self, script: Script) -> None:
        self.script, self.sent, self.closed = script, bytearray(), 0
        self.frames: Frames = []

    def send(self, data: bytes) -> None:
        self.sent += data
        if found := re.match(rb"_t_run (\w+) (.*)\n", data, re.DOTALL):
            command = found[2].decode()
            answer = framed(found[1], b"42\n") if command == "'echo $$'" else self.script(command, found[1])
            self.frames += answer

    def receive(self, _: float) -> tuple[int, bytes] | None:
        frame = self.frames.pop(0)
        if isinstance(frame, type):
            raise frame
        return frame

    def close(self) -> None:
        self.closed += 1


class FakeContainer:
    def __init__(self, script: Script) -> None:
        self.script, self.opened = script, list[tuple[object, ...]]()
        self.sessions: list[FakeSession] = []

    def open_session(
        self, argv: Sequence[str], environment: Mapping[str, str], user: str | None
    ) -> FakeSession:
        self.opened.append((tuple(argv), dict(environment), user))
        self.sessions.append(FakeSession(self.script))
        return self.sessions[-1]


def test_the_session_opens_at_the_first_command_and_stays() -> None:
    container = FakeContainer(lambda _, token: framed(token, b"out", b"err", 3))
    shell = Shell(container, user="0:0")
    assert container.opened == []
    for _ in range(2):
        answer = shell.run("x")
        assert (answer.code, answer.stdout, answer.stderr) == (3, b"out", b"err")
    assert container.opened == [((BUSYBOX, "sh"), {}, "0:0")]
    assert container.sessions[0].sent.count(PRELUDE.read_bytes()) == 1
    assert shell.pid == 42


def test_a_command_is_quoted_for_the_shell() -> None:
    seen: list[str] = []

    def script(command: str, token: bytes) -> Frames:
        seen.append(command)
        return framed(token)

    Shell(FakeContainer(script)).run("it's $HOME\nand `this`")
    assert seen == ["""'it'"'"'s $HOME\nand `this`'"""]


def test_frames_come_cut_and_in_any_order() -> None:
    def script(_: str, token: bytes) -> Frames:
        whole = token + b"ab" + token + b" 0\n"
        middle = len(token) // 2
        errors: Frames = [(2, token), (2, b"e" + token[:3]), (2, token[3:])]
        pieces: Frames = [(1, whole[at : at + middle]) for at in range(0, len(whole), middle)]
        return errors[:1] + pieces[:3] + errors[1:] + pieces[3:]

    answer = Shell(FakeContainer(script)).run("x")
    assert (answer.code, answer.stdout, answer.stderr) == (0, b"ab", b"e")


def test_what_background_processes_write_around_an_answer_is_dropped() -> None:
    def script(_: str, token: bytes) -> Frames:
        return [
            (1, b"late" + token + b"mine" + token + b" 5\nlater"),
            (2, b"late" + token + token + b"later"),
        ]

    answer = Shell(FakeContainer(script)).run("x")
    assert (answer.code, answer.stdout, answer.stderr) == (5, b"mine", b"")


def test_a_shell_that_ends_says_what_it_said_last() -> None:
    container = FakeContainer(lambda _, token: [(1, token + b"x"), (2, token + b"sh: out of memory\n"), None])
    shell = Shell(container)
    with pytest.raises(SessionLost) as error:
        shell.run("boom")
    assert str(error.value) == "the probe shell ended during 'boom': sh: out of memory"
    assert container.sessions[0].closed == 1


def test_silence_is_given_up_and_the_next_command_opens_anew() -> None:
    answers: list[Callable[[bytes], Frames]] = [lambda _: [TimeoutError], lambda token: framed(token, b"ok")]
    container = FakeContainer(lambda _, token: answers.pop(0)(token))
    shell = Shell(container, patience=2.5)
    with pytest.raises(SessionLost) as error:
        shell.run("sleep 99")
    assert str(error.value) == "no answer within 2.5 s: sleep 99"
    assert shell.run("echo ok").stdout == b"ok"
    assert len(container.opened) == 2


def test_an_interrupt_closes_the_session() -> None:
    container = FakeContainer(lambda _, __: [KeyboardInterrupt])
    with pytest.raises(KeyboardInterrupt):
        Shell(container).run("x")
    assert container.sessions[0].closed == 1


def test_a_shell_that_never_starts_is_the_engines_matter() -> None:
    class Broken(FakeSession):
        def send(self, _: bytes) -> None:
            self.frames = [(1, b"OCI runtime exec failed: no such file\r\n"), None]

    class Container(FakeContainer):
        def open_session(self, *_: object) -> FakeSession:
            return Broken(self.script)

    with pytest.raises(EngineError) as error:
        Shell(Container(lambda _, __: [])).run("x")
    assert str(error.value) == (
        "the probe shell does not start; can the engine see this machine's files and run programs from "
        "them?: the probe shell ended during 'echo $$': OCI runtime exec failed: no such file"
    )


def test_a_nul_byte_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a command can't hold a NUL byte: 'a\\x00b'$"):
        Shell(FakeContainer(lambda _, __: [])).run("a\0b")
