"""What long work tells the person who waits. `cli` decides how it looks; everything else only calls it."""

from typing import Protocol


class Progress(Protocol):
    def stage(self, text: str) -> None:
        """A new step begins: `resolving packages`."""

    def expect(self, files: int, size: int, done: str = "received") -> None:
        """A download of so many files and bytes begins; or another transfer, which is `done` then."""

    def advance(self, size: int) -> None:
        """So many more bytes have arrived (negative when a broken transfer starts again)."""

    def note(self, text: str) -> None:
        """Something a person should know, though nothing is wrong: `re-locked: libc6 2.41-11 -> 2.41-12`."""


class Silent:
    """Tells nothing."""

    def stage(self, text: str) -> None:
        pass

    def expect(self, files: int, size: int, done: str = "received") -> None:
        pass

    def advance(self, size: int) -> None:
        pass

    def note(self, text: str) -> None:
        pass
