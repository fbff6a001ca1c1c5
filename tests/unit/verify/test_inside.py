"""Programs in an image's Python: here this machine's own, through its own shell."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from builder.errors import EngineError
from builder.verify.inside import Done, Inside, Program, run_all, run_each
from builder.verify.session import Answer, SessionLost
from tests.unit.verify.test_runner import rows, run


class Shell:
    def __init__(self) -> None:
        self.commands = 0

    def run(self, command: str) -> Answer:
        self.commands += 1
        if "lose the shell" in command:
            raise SessionLost("the probe shell ended")
        done = subprocess.run(
            ["sh", "-c", command], capture_output=True, stdin=subprocess.DEVNULL, check=False
        )
        return Answer(code=done.returncode, stdout=done.stdout, stderr=done.stderr)


@contextmanager
def opened() -> Iterator[Shell]:
    yield Shell()


def said(text: str) -> Done:
    return Done(code=0, stdout=f"{text}\n", stderr="")


PRINTS = Program.of("import sys; print(sys.argv[1:])", "a b", "ß'\"$x")
FAILS = Program.of("""
    print("before")
    raise ValueError("odd")
""")
ENDS = Program.of("raise SystemExit(3)")
LEAVES = Program.of("raise SystemExit('no way')")
LOADS = Program.of("import colorsys; print('loaded')", stays=True)
LOADED = Program.of("import sys; print('colorsys' in sys.modules)")
BREAKS = Program.of("import os; os.write(2, b'it broke'); os._exit(7)", stays=True)
NOISY = Program.of("import sys; print('out'); print('err', file=sys.stderr)")


@pytest.mark.parametrize("runs", [run_all, run_each])
def test_what_a_program_says_is_its_own(runs: object) -> None:
    found = runs(Shell(), sys.executable, [PRINTS, FAILS, NOISY, ENDS, LEAVES])  # type: ignore[operator]
    assert found[PRINTS] == said("""['a b', 'ß\\'"$x']""")
    assert found[NOISY] == Done(code=0, stdout="out\n", stderr="err\n")
    assert (found[FAILS].code, found[FAILS].stdout) == (1, "before\n")
    assert found[ENDS].complaint == "the program ended with 3: it said nothing"
    assert found[LEAVES].complaint == "the program ended with 1: no way"
    assert found[FAILS].complaint == "the program ended with 1: ValueError: odd"


def test_all_are_run_in_one_start() -> None:
    shell = Shell()
    run_all(shell, sys.executable, [PRINTS, FAILS])
    assert shell.commands == 1


def test_a_program_may_talk_as_much_as_it_likes() -> None:
    """On both streams: more than a pipe holds."""
    told = Program.of("import sys; sys.stderr.write('e' * 300_000); print('o' * 300_000)")
    done = run_all(Shell(), sys.executable, [told])[told]
    assert (done.code, len(done.stdout), len(done.stderr)) == (0, 300_001, 300_000)


def test_what_stays_is_there_for_those_after_it() -> None:
    late, early = LOADED, Program.of(LOADED.text, "before")
    found = run_all(Shell(), sys.executable, [early, LOADS, late])
    assert (found[early], found[LOADS], found[late]) == (said("False"), said("loaded"), said("True"))


def test_a_program_can_not_end_the_interpreter_of_the_others() -> None:
    found = run_all(Shell(), sys.executable, [ENDS, Program.of(ENDS.text, stays=True), PRINTS])
    assert [done.code for done in found.values()] == [3, 3, 0]


def test_those_after_one_that_did_have_failed() -> None:
    found = run_all(Shell(), sys.executable, [PRINTS, BREAKS, NOISY])
    assert found[PRINTS].code == 0
    assert found[BREAKS] == found[NOISY] == Done(code=7, stdout="", stderr="it broke")
    assert found[NOISY].complaint == "the program ended with 7: it broke"


def test_a_program_is_run_once_for_all_that_ask() -> None:
    shell = Shell()
    inside = Inside(lambda: nullcontext(shell), sys.executable, [NOISY, FAILS, NOISY], alone=True)
    assert inside.done(NOISY).stdout == "out\n"
    assert inside.done(FAILS).code == 1
    assert shell.commands == 2


def test_nothing_is_opened_for_nothing() -> None:
    Inside(pytest.fail, sys.executable, [])


def test_a_lost_shell_is_a_failure() -> None:
    lost = Program.of("lose the shell")
    inside = Inside(opened, sys.executable, [lost])
    with pytest.raises(SessionLost, match="the probe shell ended"):
        inside.done(lost)


def test_a_lost_engine_is_told() -> None:
    @contextmanager
    def gone() -> Iterator[Shell]:
        raise EngineError("no container engine")
        yield Shell()

    inside = Inside(gone, sys.executable, [NOISY])
    with pytest.raises(EngineError, match="no container engine"):
        inside.done(NOISY)


def test_a_test_without_a_program_is_its_authors_matter(tmp_path: Path) -> None:
    live = run(tmp_path, "def test_a(answer): pass\n")
    words = "the test has no marker `python` with a program"
    assert rows(live.suites) == [("probe: a", "failed", words)]


def test_an_image_without_python_is_not_asked(tmp_path: Path) -> None:
    live = run(tmp_path, "@pytest.mark.python('print(1)')\ndef test_a(answer): pass\n")
    assert rows(live.suites) == [("probe: a", "not run", "the image has no Python")]
