"""Progress as it is written, compared as a whole."""

import io
import re
import subprocess
import sys

import pytest

from builder.console import ERASE_LINE_ABOVE, InLog, OnTerminal, amount, progress_for
from builder.progress import Silent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Stands still until it is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def screen(written: str) -> list[str]:
    """The lines that a terminal would show: colours dropped, erased lines gone."""
    lines = [""]
    for piece in re.split(rf"({re.escape(ERASE_LINE_ABOVE)}|\n)", written):
        if piece == "\n":
            lines.append("")
        elif piece == ERASE_LINE_ABOVE:
            assert lines.pop() == ""
            lines[-1] = ""
        else:
            lines[-1] += re.sub(r"\x1b\[[0-9;]*m", "", piece)
    assert lines.pop() == "", "the cursor rests on a line of its own"
    return [line.rstrip() for line in lines]


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


# The choice


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_quiet_is_silent(stream: io.StringIO) -> None:
    assert type(progress_for(stream, quiet=True)) is Silent


def test_a_terminal_gets_a_bar() -> None:
    assert type(progress_for(Terminal(), quiet=False)) is OnTerminal


def test_a_log_gets_lines() -> None:
    assert type(progress_for(io.StringIO(), quiet=False)) is InLog


@pytest.mark.parametrize("term", ["", "dumb"])
def test_a_terminal_that_can_not_erase_gets_lines(monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("TERM", term)
    assert type(progress_for(Terminal(), quiet=False)) is InLog


def test_rich_is_imported_for_downloads_only() -> None:
    script = (
        "import sys\n"
        "from builder.console import OnTerminal\n"
        "OnTerminal(sys.stderr).stage('x')\n"
        "print('rich' in sys.modules)\n"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"False\n"
    )


# In a log


def test_stages_and_notes_are_lines() -> None:
    stream = io.StringIO()
    progress = InLog(stream)
    progress.stage("resolving packages")
    progress.note("moved: libc6 2.41-11 -> 2.41-12 [bold]")
    assert stream.getvalue() == "resolving packages\nnote: moved: libc6 2.41-11 -> 2.41-12 [bold]\n"


def test_a_download_is_one_line_at_its_end() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = InLog(stream, clock)
    progress.expect(25, 38_000_000)
    progress.advance(20_000_000)
    progress.advance(-5_000_000)
    clock.now += 3.21
    assert stream.getvalue() == ""
    progress.advance(23_000_000)
    assert stream.getvalue() == "received 25 files, 38.0 MB in 3.2 s\n"


def test_the_end_of_a_download_is_told_once() -> None:
    stream = io.StringIO()
    progress = InLog(stream, Clock())
    progress.expect(1, 10)
    for size in (10, -10, 10):
        progress.advance(size)
    assert stream.getvalue() == "received 1 file, 10 bytes in 0.0 s\n"


def test_an_empty_file_is_a_download_too() -> None:
    stream = io.StringIO()
    progress = InLog(stream, Clock())
    progress.expect(1, 0)
    progress.advance(0)
    assert stream.getvalue() == "received 1 file, 0 bytes in 0.0 s\n"


# On a terminal


def test_a_bar_shows_bytes_and_speed() -> None:
    stream, clock = Terminal(), Clock()
    progress = OnTerminal(stream, clock)
    progress.stage("downloading")
    progress.expect(2, 10_000_000)
    clock.now += 1
    progress.advance(2_000_000)
    clock.now += 1
    progress.advance(2_000_000)
    assert screen(stream.getvalue()) == [
        "downloading",
        "━" * 16 + "╺" + "━" * 23 + " 4.0/10.0 MB 2.0 MB/s 0:00:03",
    ]


def test_the_bar_gives_way_to_a_summary() -> None:
    stream, clock = Terminal(), Clock()
    progress = OnTerminal(stream, clock)
    progress.expect(2, 10)
    clock.now += 2
    progress.advance(10)
    progress.stage("unpacking")
    assert screen(stream.getvalue()) == ["received 2 files, 10 bytes in 2.0 s", "unpacking"]


def test_the_bar_is_not_drawn_for_every_chunk() -> None:
    stream = Terminal()
    progress = OnTerminal(stream, Clock())
    progress.expect(1, 1000)
    before = stream.getvalue()
    for _ in range(100):
        progress.advance(1)
    assert stream.getvalue() == before


def test_a_note_stands_above_the_bar() -> None:
    stream, clock = Terminal(), Clock()
    progress = OnTerminal(stream, clock)
    progress.expect(1, 1000)
    progress.note("waiting for another temper")
    progress.advance(500)
    assert screen(stream.getvalue()) == [
        "note: waiting for another temper",
        "━" * 20 + "╺" + "━" * 19 + " 0.5/1.0 kB ? -:--:--",
    ]


def test_a_download_after_a_failed_one_leaves_what_came_between() -> None:
    stream = Terminal()
    progress = OnTerminal(stream, Clock())
    progress.expect(1, 1000)
    stream.write("error: gone\n")
    progress.expect(1, 10)
    progress.advance(10)
    assert screen(stream.getvalue())[1:] == ["error: gone", "received 1 file, 10 bytes in 0.0 s"]


def test_the_bar_keeps_to_one_line_of_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    progress = OnTerminal(stream, Clock())
    progress.expect(1, 10_000_000)
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (38_249_000, "38.2 MB"),
        (2_500_000_000, "2.5 GB"),
    ],
)
def test_amounts_are_for_people(size: int, text: str) -> None:
    assert amount(size) == text
