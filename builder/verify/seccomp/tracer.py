"""strace in the toolbox: with its own loader and libraries, since those of an image are what is looked at."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from builder.errors import StoreError, ToolError
from builder.model.contract import RunContract
from builder.model.tree import Elf, Entry, Rootfs
from builder.rootfs.closure import MACHINES, TRIPLETS
from builder.verify.session import MOUNT

FOLDER = "strace"
TRACES = "traces"
PROGRAM = "usr/bin/strace"
OPTIONS = ("-ff", "-A", "-qqq", "-s", "1000", "-e", "signal=none", "-e", "raw=!execve")
"""A file for each thread, added to where a number comes again; arguments as numbers, which is faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracer:
    """strace as containers see it."""

    folder: Path
    """Of the host: what it writes."""
    command: tuple[str, ...]

    def program(self, contract: RunContract) -> list[str]:
        """Traces the image's program, which stays the first process: strace becomes its grandchild (-D)."""
        return [*self.command, "-D", "--", *contract.entrypoint, *contract.cmd]

    @property
    def shell(self) -> list[str]:
        """Comes before the probe shell's command line."""
        return [*self.command, "--"]


def make_tracer(tree: Rootfs, toolbox: Path, platform: str) -> Tracer:
    """Lays strace out beside busybox. `tree` is what strace's packages hold.

    Raises `ToolError` where a file of it is missing there, `StoreError` where the toolbox can't be written.
    """
    machine = MACHINES[platform]
    program, elf = _elf(tree, PROGRAM)
    loader = elf.interpreter or ""
    files = {"strace": program, Path(loader).name: _elf(tree, loader)[0], **_libraries(tree, elf, machine)}
    try:
        for name, entry in files.items():
            _place(entry, toolbox / FOLDER / name)
        traces = toolbox / TRACES
        traces.mkdir(exist_ok=True)
        traces.chmod(0o1777)
    except OSError as error:
        raise StoreError(f"{toolbox}: can't lay out the toolbox: {error.strerror}") from None
    inside = f"{MOUNT}/{FOLDER}"
    start = (f"{inside}/{Path(loader).name}", "--library-path", inside, f"{inside}/strace")
    return Tracer(folder=traces, command=(*start, *OPTIONS, "-o", f"{MOUNT}/{TRACES}/t"))


def _libraries(tree: Rootfs, elf: Elf, machine: str) -> dict[str, Entry]:
    """Everything that the loader will ask for, by soname."""
    found: dict[str, Entry] = {}
    waiting: list[str] = [*elf.needed]
    while waiting:
        soname = waiting.pop()
        if soname in found:
            continue
        found[soname], library = _elf(tree, f"usr/lib/{TRIPLETS[machine]}/{soname}")
        waiting += library.needed
    return found


def _elf(tree: Rootfs, path: str) -> tuple[Entry, Elf]:
    entry = tree.resolve(path)
    if entry is None or entry.content is None or (elf := entry.content.facts.elf) is None:
        raise ToolError(f"{path}: not in strace's packages; run `temper lock` to lock the toolbox anew")
    return entry, elf


def _place(entry: Entry, target: Path) -> None:
    target.parent.mkdir(mode=0o755, exist_ok=True)
    target.parent.chmod(0o755)
    assert entry.content is not None  # noqa: S101 - `_elf` looked
    with entry.content.open() as source, target.open("wb") as out:
        shutil.copyfileobj(source, out)
    target.chmod(0o755)
