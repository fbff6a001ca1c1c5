"""A program that is begun before there is anything to tell it."""

import sys
from pathlib import Path

import pytest

from builder.process import begun

READS = "import sys, pathlib; print(len(pathlib.Path(sys.argv[2]).read_bytes())); sys.exit(4)"
ENDS = "print('no use'); raise SystemExit(3)"
LARGE = b"x" * (1 << 20)
"""More than a pipe holds."""


def command(program: str) -> list[str]:
    return [sys.executable, "-c", program]


@pytest.mark.parametrize("told", [b"", b"word", LARGE])
def test_it_reads_what_it_is_told_to_the_end(tmp_path: Path, told: bytes) -> None:
    with begun(command(READS), env={}, cwd=tmp_path, argument="--subject") as program:
        assert program.finish(told) == (4, f"{len(told)}\n".encode())


def test_one_that_ended_before_says_why(tmp_path: Path) -> None:
    with begun(command(ENDS), env={}, cwd=tmp_path, argument="--subject") as program:
        assert program.finish(LARGE) == (3, b"no use\n")


def test_one_that_says_much_before_it_is_told_does_not_block(tmp_path: Path) -> None:
    talks = f"import sys; sys.stdout.write('y' * {len(LARGE)}); sys.stdout.flush(); {READS}"
    with begun(command(talks), env={}, cwd=tmp_path, argument="--subject") as program:
        code, said = program.finish(LARGE)
    assert (code, len(said)) == (4, len(LARGE) + len(f"{len(LARGE)}\n"))


def test_one_that_is_never_told_is_killed(tmp_path: Path) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        begun(command(READS), env={}, cwd=tmp_path, argument="--subject") as program,
    ):
        raise KeyboardInterrupt
    assert program._popen.returncode == -9


def test_no_pipe_is_left_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with begun(command(READS), env={}, cwd=tmp_path, argument="--subject"):
        pass
    with pytest.raises(FileNotFoundError), begun(["/no/program"], env={}, cwd=tmp_path, argument="--subject"):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == before
