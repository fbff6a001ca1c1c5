"""A program that is begun before there is anything to tell it."""

import sys
from pathlib import Path

import pytest

from builder import process
from builder.errors import ToolError
from builder.process import Ended, begun, bounded

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


def kept(tmp_path: Path, *command: str, seconds: float = 20) -> Ended:
    return bounded(
        command, env={"PATH": "/usr/bin:/bin"}, cwd=tmp_path, output=tmp_path / "out",
        errors=tmp_path / "err", seconds=seconds, largest=1_000_000,
    )  # fmt: skip


def test_a_bounded_one_writes_to_files_and_tells_its_code(tmp_path: Path) -> None:
    assert kept(tmp_path, "sh", "-c", "echo a; echo b >&2; exit 5") == Ended(code=5)
    assert ((tmp_path / "out").read_text(), (tmp_path / "err").read_text()) == ("a\n", "b\n")


def test_a_bounded_one_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    assert kept(tmp_path, "sleep", "600", seconds=0.1) == Ended(code=-9, stopped="took longer than 0.1 s")


def test_a_bounded_one_that_is_no_program_says_so(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    with pytest.raises(ToolError) as caught:
        kept(tmp_path, str(tmp_path / "text"))
    assert str(caught.value) == f"{tmp_path}/text: can't be started: permission denied"


def test_a_bounded_one_is_gone_after_an_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        while not (tmp_path / "out").read_text():  # it runs, and has told its number
            pass
        raise KeyboardInterrupt

    monkeypatch.setattr(process.select, "select", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path, "sh", "-c", "echo $$; exec sleep 600")
    assert not Path(f"/proc/{(tmp_path / 'out').read_text().strip()}").exists()
