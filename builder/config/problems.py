"""A problem in a file that a person wrote, and the words around it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from builder.names import suggestion

Location = tuple[str | int, ...]
"""The way to a value: `("files", 0, "target")`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    path: Path
    line: int
    """From 1; 0 when it is about the whole file."""
    at: Location
    text: str
    """What is wrong; what to do."""
    root: Location = ()
    """Where in the file `at` begins: `("variants", "jit")` for what a variant says."""

    def __str__(self) -> str:
        place = f"{shown(self.path)}:{self.line}" if self.line else shown(self.path)
        return ": ".join(part for part in (place, spelt((*self.root, *self.at)), self.text) if part)

    def within(self, at: Location) -> bool:
        return self.at[: len(at)] == at


def spelt(at: Location) -> str:
    """`("files", 0, "target")` -> `files[0].target`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in at)
    return text.removeprefix(".")


def shown(path: Path) -> str:
    """Relative where that is shorter to read: below the working directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def suggested(word: str, known: Iterable[str]) -> str:
    """What to write instead of a word that nobody knows: the nearest one, else the choice."""
    choice = sorted(known)
    plain = word.lower().replace("_", "-")
    return suggestion(plain, choice) or f"; there are: {', '.join(choice)}"
