"""The probe program that live tests bring along: one static busybox in a read-only folder, never in an image.

A single file and no links by applet name: busybox finds its applets by itself, and a link would be one more
thing through which a careless write could land on busybox.
"""

import os
import shutil
import tempfile
from pathlib import Path

from builder.errors import StoreError, ToolError
from builder.rootfs.closure import MACHINES
from builder.rootfs.elf import facts


def make_toolbox(busybox: Path, folder: Path, platform: str) -> Path:
    """Lays the toolbox out in `folder`, readable by every user of a container, and returns the folder.

    `busybox` is the program out of Debian's busybox-static for `platform`. Raises `ToolError` where it is not
    a static program of that platform, `StoreError` where the folder can't be written.
    """
    check_program(busybox, platform)
    target = folder / "busybox"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        _place(busybox, target)
    except OSError as error:
        raise StoreError(f"{folder}: can't lay out the toolbox: {error.strerror}") from None
    return folder


def _place(source: Path, target: Path) -> None:
    """By rename, so that two runs at once never see half a program; the mode whatever the umask."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".busybox-")
    try:
        with os.fdopen(handle, "wb") as out, source.open("rb") as program:
            shutil.copyfileobj(program, out)
        Path(name).chmod(0o755)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def check_program(path: Path, platform: str) -> None:
    """A dynamic busybox would look for its libraries in the image, and speak of them instead."""
    try:
        with path.open("rb") as file:
            elf = facts(file).elf
    except OSError as error:
        raise ToolError(f"{path}: can't read the toolbox's busybox: {error.strerror}") from None
    if elf is None:
        raise ToolError(f"{path}: not a program; the toolbox needs busybox out of busybox-static")
    if elf.machine != MACHINES[platform]:
        raise ToolError(f"{path}: a program for {elf.machine}, but the toolbox must run on {platform}")
    if elf.interpreter is not None:
        raise ToolError(f"{path}: not a static program; the toolbox needs busybox out of busybox-static")
