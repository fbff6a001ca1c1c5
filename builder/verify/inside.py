"""The suites' programs in the image's own Python: all in one start of it, begun with the session.

In an image without byte code an interpreter compiles what it loads at every start. Meanwhile the tests
that ask the probe shell go on: most of their time passes outside of the container.
"""

import json
import shlex
import textwrap
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Protocol

from builder.verify.session import Answer

FORKS = Path(__file__).with_name("forks.py")


class Runner(Protocol):
    """`Shell`"""

    def run(self, command: str) -> Answer: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`python(program, argument, ..., stays=True)` as a marker of a test."""

    text: str
    arguments: tuple[str, ...] = ()
    stays: bool = False
    """What it loads is there for the programs after it."""

    @classmethod
    def of(cls, text: str, *arguments: str, stays: bool = False) -> "Program":
        return cls(text=textwrap.dedent(text), arguments=arguments, stays=stays)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    code: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The last line that says anything: some programs underline their last words."""
        lines = [line.strip() for line in self.stderr.splitlines() if any(map(str.isalnum, line))]
        return f"the program ended with {self.code}: {lines[-1] if lines else 'it said nothing'}"


def run_all(shell: Runner, python: str, programs: Sequence[Program]) -> dict[Program, Done]:
    """In one interpreter. A program that takes the interpreter with it leaves none for those after it."""
    asked = json.dumps([[one.text, one.arguments, one.stays] for one in programs])
    answer = shell.run(shlex.join([python, "-c", FORKS.read_text(encoding="utf-8"), asked]))
    rows = [json.loads(line) for line in answer.stdout.decode(errors="replace").splitlines()]
    lost = [answer.code or 1, "", answer.stderr.decode(errors="replace")]
    rows += [lost] * (len(programs) - len(rows))
    return {
        program: Done(code=code, stdout=stdout, stderr=stderr)
        for program, (code, stdout, stderr) in zip(programs, rows, strict=True)
    }


def run_each(shell: Runner, python: str, programs: Sequence[Program]) -> dict[Program, Done]:
    """In an interpreter of its own each: no system call is made but the programs' own."""
    found = {}
    for program in programs:
        answer = shell.run(shlex.join([python, "-c", program.text, *program.arguments]))
        stdout, stderr = answer.stdout.decode(errors="replace"), answer.stderr.decode(errors="replace")
        found[program] = Done(code=answer.code, stdout=stdout, stderr=stderr)
    return found


class Inside:
    """Runs the programs on a thread and in a shell of its own."""

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[Runner]],
        python: str,
        asked: Iterable[Program],
        *,
        alone: bool = False,
    ) -> None:
        """`alone`: each in an interpreter of its own."""
        self._opened = opened
        self._python = python
        self._run = run_each if alone else run_all
        self._asked = tuple(dict.fromkeys(asked))
        self._done: Future[dict[Program, Done]] = Future()
        if self._asked:  # a daemon, since nobody waits for it where the session is broken off
            Thread(target=self._work, name="inside", daemon=True).start()

    def done(self, program: Program) -> Done:
        """Waits for all of them. Raises what the shell raised."""
        return self._done.result()[program]

    def _work(self) -> None:
        try:
            with self._opened() as shell:
                self._done.set_result(self._run(shell, self._python, self._asked))
        except BaseException as error:  # raised where the answers are asked for
            self._done.set_exception(error)
