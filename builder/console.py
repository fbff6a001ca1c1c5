"""How progress looks on a terminal and in a log. Both write to stderr: stdout is for results."""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from builder.progress import Progress, Silent

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

REDRAW = 0.1
"""Seconds between two pictures of the bar, at least."""
ERASE_LINE_ABOVE = "\x1b[1A\x1b[2K"
"""Cursor up, erase line (ECMA-48, CUU and EL)."""


def progress_for(stream: TextIO, quiet: bool) -> Progress:
    """What suits the stream: nothing, lines for a log, or lines and a bar for a terminal."""
    if quiet:
        return Silent()
    if stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb"):
        return OnTerminal(stream)
    return InLog(stream)


class InLog:
    """A line for each stage and note, and one for each transfer when all of it has arrived."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._files = self._size = self._arrived = 0
        self._began = 0.0
        self._transferring = False
        self._done = ""

    def stage(self, text: str) -> None:
        self._write(text)

    def note(self, text: str) -> None:
        self._write(f"note: {text}")

    def expect(self, files: int, size: int, done: str = "received") -> None:
        self._done = done
        self._files, self._size, self._arrived = files, size, 0
        self._began = self._clock()
        self._transferring = True

    def advance(self, size: int) -> None:
        self._arrived += size
        if self._transferring and self._arrived >= self._size:
            self._transferring = False
            self._write(self._summary())

    def _summary(self) -> str:
        seconds = self._clock() - self._began
        files = "1 file" if self._files == 1 else f"{self._files} files"
        return f"{self._done} {files}, {amount(self._size)} in {seconds:.1f} s"

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


class OnTerminal(InLog):
    """The same lines, and a bar while a transfer runs.

    The bar is drawn by whoever reports bytes, and the cursor always rests on the line below it. So there is
    no thread to stop and nothing to close: an error, a traceback or the result starts on a line of its own.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream, clock)
        self._bar: Bar | None = None
        self._drawn_at: float | None = None
        """`None` while no bar stands in the line above the cursor."""

    def expect(self, files: int, size: int, done: str = "received") -> None:
        super().expect(files, size, done)
        self._drawn_at = None  # a bar that was left unfinished stays as it is
        self._bar = _new_bar(self._stream, self._clock, size)
        self._draw(self._bar)

    def advance(self, size: int) -> None:
        super().advance(size)
        if self._bar is None or not self._transferring:
            return
        self._bar.update(self._bar.task_ids[0], completed=self._arrived)
        if self._drawn_at is None or self._clock() >= self._drawn_at + REDRAW:
            self._draw(self._bar)

    def _draw(self, bar: "Bar") -> None:
        self._erase()
        with bar.console.capture() as picture:
            bar.console.print(bar.get_renderable())
        super()._write(picture.get().split("\n")[0])  # a narrow terminal would get two lines
        self._drawn_at = self._clock()

    def _erase(self) -> None:
        if self._drawn_at is not None:
            self._stream.write(ERASE_LINE_ABOVE)
            self._drawn_at = None

    def _write(self, line: str) -> None:
        self._erase()
        super()._write(line)


def _new_bar(stream: TextIO, clock: Callable[[], float], size: int) -> "Bar":
    from rich import progress  # noqa: PLC0415 - 0.1 s, for downloads only
    from rich.console import Console  # noqa: PLC0415

    bar = progress.Progress(
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(file=stream, force_terminal=True),
        auto_refresh=False,
        get_time=clock,
    )
    bar.add_task("", total=size)
    return bar


def amount(size: int) -> str:
    """Bytes for people, in decimal units as disks and networks are sold: `38.2 MB`."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
