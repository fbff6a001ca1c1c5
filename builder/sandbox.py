"""A program out of an image, run on this machine but cut off from it: another root, no network, no rights.

By util-linux' `unshare` and `setpriv`, which every Debian and Ubuntu has. The kernel's namespaces hide files,
processes and network; as root the program runs as `nobody`, with no capability and none to be had.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import BinaryIO

from builder import process
from builder.errors import ToolError
from builder.model.tree import Entry, Kind

NOBODY = "65534"
CUT_OFF = ("unshare", "--user", "--net", "--pid", "--fork", "--ipc", "--uts", "--mount", "--root=.")
AS_NOBODY = (
    *("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--no-new-privs"),
    "--bounding-set=-all",
)


def run(root: Path, argv: Sequence[str], source: BinaryIO, target: BinaryIO) -> None:
    """Runs the program with `root` as its root folder, from `source` to `target`, with an empty environment.

    Raises `ToolError` where this machine allows no namespaces, or where the program fails.
    """
    rights = AS_NOBODY if os.geteuid() == 0 else ()
    # As nobody the way to a folder of root's is closed; the folder one stands in stays open.
    process.filtered([*rights, *CUT_OFF, *argv], source=source, target=target, cwd=root)


def refusal(root: Path, argv: Sequence[str]) -> str:
    """Why a program can't be run so here, in words; empty where it can."""
    with TemporaryFile() as nothing:
        try:
            run(root, argv, nothing, nothing)
        except ToolError as error:
            return str(error).partition("\n")[0]
    return ""


@contextmanager
def unpacked(entries: Iterable[Entry]) -> Iterator[Path]:
    """A folder with these files, links and folders, for the time of the block. Modes as given, no owners."""
    with TemporaryDirectory(prefix="temper-root-") as name:
        root = Path(name)
        for entry in entries:
            _lay_out(root, entry)
        root.chmod(0o755)
        yield root


def _lay_out(root: Path, entry: Entry) -> None:
    """A composed tree has no entry below a link (`rootfs.merge` refuses it), so nothing lands elsewhere."""
    target = root / entry.path
    if entry.kind is Kind.DIRECTORY:
        target.mkdir(parents=True, exist_ok=True)
        target.chmod(0o755)
    elif entry.kind is Kind.SYMLINK:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(entry.target)
    elif entry.content is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with entry.content.open() as stream, target.open("xb") as file:
            while piece := stream.read(1 << 20):
                file.write(piece)
        target.chmod(0o755 if entry.mode & 0o111 else 0o644)
