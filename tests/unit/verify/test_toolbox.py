import os
import struct
import sys
from pathlib import Path

import pytest

from builder.errors import StoreError, ToolError
from builder.verify.toolbox import make_toolbox

AMD64, ARM64 = 62, 183


def elf(machine: int = AMD64, kind: int = 1) -> bytes:
    """A 64-bit little-endian ELF header with one program header: PT_LOAD (1) or PT_INTERP (3)."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    fields = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    return head + fields + struct.pack("<IIQQQQQQ", kind, 5, 0, 0, 0, 120, 120, 1)


@pytest.fixture
def busybox(tmp_path: Path) -> Path:
    path = tmp_path / "busybox"
    path.write_bytes(elf())
    return path


def test_the_toolbox_is_one_program_for_everybody(busybox: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        folder = make_toolbox(busybox, tmp_path / "tools", "linux/amd64")
    finally:
        os.umask(before)
    assert [(path.name, path.stat().st_mode & 0o7777) for path in folder.iterdir()] == [("busybox", 0o755)]
    assert folder.stat().st_mode & 0o7777 == 0o755
    assert not (folder / "busybox").is_symlink()


def test_laying_it_out_again_never_writes_into_the_program(busybox: Path, tmp_path: Path) -> None:
    target = make_toolbox(busybox, tmp_path / "tools", "linux/amd64") / "busybox"
    with target.open("rb") as held:
        busybox.write_bytes(elf() + b"new")
        make_toolbox(busybox, tmp_path / "tools", "linux/amd64")
        assert held.read() == elf(), "a container that runs from the old one still has it"
    assert target.read_bytes() == elf() + b"new"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (elf(ARM64), "a program for aarch64, but the toolbox must run on linux/amd64"),
        (elf(kind=3), "not a static program; the toolbox needs busybox out of busybox-static"),
        (b"#!/bin/sh\n", "not a program; the toolbox needs busybox out of busybox-static"),
        (b"", "not a program; the toolbox needs busybox out of busybox-static"),
    ],
)
def test_another_program_is_refused(busybox: Path, tmp_path: Path, data: bytes, message: str) -> None:
    busybox.write_bytes(data)
    with pytest.raises(ToolError) as error:
        make_toolbox(busybox, tmp_path / "tools", "linux/amd64")
    assert str(error.value) == f"{busybox}: {message}"
    assert not (tmp_path / "tools").exists()


def test_a_dynamic_program_of_this_machine_is_refused(tmp_path: Path) -> None:
    machine = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[os.uname().machine]
    program = Path(sys.executable).resolve()
    with pytest.raises(ToolError, match="not a static program"):
        make_toolbox(program, tmp_path / "tools", machine)


def test_a_missing_program(tmp_path: Path) -> None:
    path = tmp_path / "nowhere"
    with pytest.raises(ToolError) as error:
        make_toolbox(path, tmp_path / "tools", "linux/amd64")
    assert str(error.value) == f"{path}: can't read the toolbox's busybox: No such file or directory"


def test_a_folder_that_can_not_be_made(busybox: Path) -> None:
    folder = busybox / "tools"
    with pytest.raises(StoreError) as error:
        make_toolbox(busybox, folder, "linux/amd64")
    assert str(error.value) == f"{folder}: can't lay out the toolbox: Not a directory"
