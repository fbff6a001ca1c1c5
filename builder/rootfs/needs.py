"""What a command line needs to start, as far as files tell: its program, the interpreters, the libraries.

The kernel's part is execve(2), the loader's ld.so(8). What a program opens or starts by name while it runs
is not known to anybody beforehand, but for shell scripts: every word of theirs that is the name of a
program counts as one that they start.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from builder.model.tree import Entry, Kind, Rootfs
from builder.rootfs.closure import Loader

SHELLS = frozenset({"ash", "bash", "dash", "ksh", "mksh", "sh", "zsh", "busybox"})
LONGEST = 1 << 20
"""Bytes of a script that is read."""
_WORD = re.compile(r"[A-Za-z0-9_./+-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    what: str
    """For messages: `entrypoint`, `health check`."""
    words: tuple[str, ...]
    shell: str = ""
    """A line that a shell is given to read (`sh -c LINE`)."""


@dataclass(slots=True)
class Needs:
    """Path -> who needs it, for every file and link on the way."""

    rootfs: Rootfs
    folders: tuple[str, ...]
    """Of PATH."""
    library_path: tuple[str, ...] = ()
    because: dict[str, str] = field(default_factory=dict)
    _loader: Loader | None = None
    _waiting: list[tuple[Entry, str]] = field(default_factory=list)

    def add(self, commands: Iterable[Command]) -> None:
        for command in commands:
            for word in command.words[:1]:
                self._program(word, f"the {command.what}")
            for word in command.words[1:]:  # `exec "$@"` starts its argument
                self._program(word, f"the {command.what}'s arguments")
            self._script(command.shell, f"the {command.what} (in shell form)")
        while self._waiting:
            self._file(*self._waiting.pop())

    def _program(self, word: str, why: str) -> None:
        if not word or len(word) > 4096:
            return
        places = [word] if "/" in word else [f"{folder}/{word}" for folder in self.folders]
        for place in places:
            entry = self._trace(place, why)
            if entry is not None:
                self._waiting.append((entry, why))
                return

    def _trace(self, place: str, why: str) -> Entry | None:
        """The program at a place, noting it and the links that lead there; `None` where it is none."""
        entry = self.rootfs.resolve(place)
        if entry is None or entry.kind is not Kind.FILE or not entry.mode & 0o111:
            return None
        for link in links(self.rootfs, place):
            self.because.setdefault(link.path, why)
        return entry

    def _file(self, entry: Entry, why: str) -> None:
        if entry.path in self.because:
            return
        self.because[entry.path] = why
        if entry.content is None:
            return
        facts = entry.content.facts
        if facts.elf is not None:
            self._libraries(entry)
        elif facts.shebang:
            self._interpreted(entry, facts.shebang)

    def _interpreted(self, entry: Entry, shebang: str) -> None:
        why = f"the script {entry.path}"
        words = [word for word in shebang.split() if not word.startswith("-") and "=" not in word]
        for word in words:
            self._program(word, why)
        if any(word.rpartition("/")[2] in SHELLS for word in words) and entry.content is not None:
            with entry.content.open() as stream:
                self._script(stream.read(LONGEST).decode("utf-8", "replace"), why)

    def _script(self, text: str, why: str) -> None:
        if not text:
            return
        lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
        for word in sorted({word for line in lines for word in _WORD.findall(line)}):
            self._program(word, why)

    def _libraries(self, entry: Entry) -> None:
        elf = entry.content.facts.elf if entry.content is not None else None
        if elf is None:
            return
        if self._loader is None:
            self._loader = Loader(self.rootfs, self.library_path)
        loader = (elf.interpreter,) if elf.interpreter else ()
        for place in (*loader, *self._loader.libraries(entry.path)):
            found = self.rootfs.resolve(place)
            if found is not None:
                for link in links(self.rootfs, place):
                    self.because.setdefault(link.path, entry.path)
                self._waiting.append((found, entry.path))


def links(rootfs: Rootfs, place: str) -> list[Entry]:
    """The symlinks that are followed on the way to a place, in order; those of a loop once each."""
    found: list[Entry] = []
    parts = [part for part in reversed(place.split("/")) if part and part != "."]
    at: list[str] = []
    while parts and len(found) <= 40:
        part = parts.pop()
        if part == "..":
            at = at[:-1]
            continue
        at.append(part)
        entry = rootfs.get("/".join(at))
        if entry is None or entry.kind is not Kind.SYMLINK:
            continue
        found.append(entry)
        at = [] if entry.target.startswith("/") else at[:-1]
        if len(entry.target) <= 4096:
            parts += [part for part in reversed(entry.target.split("/")) if part and part != "."]
    return found


def shell_line(words: Sequence[str]) -> str:
    """`LINE` of `sh -c LINE`; empty for any other command."""
    if len(words) < 3 or words[0].rpartition("/")[2] not in SHELLS:
        return ""
    for at, word in enumerate(words[1:], 1):
        if word.startswith("-") and "c" in word.lstrip("-") and at + 1 < len(words):
            return words[at + 1]
        if not word.startswith("-"):
            return ""
    return ""
