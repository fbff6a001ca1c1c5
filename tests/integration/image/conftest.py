"""A small hand-made image that runs: Debian's static busybox would be a download, so the host's Python builds
none; its program is an ELF file of a few instructions."""

import struct
from pathlib import Path

import pytest

from builder.model.image import Image, ImageConfig
from builder.model.spec import Healthcheck
from builder.model.tree import Bytes, Entry, Kind, Owner, Rootfs
from builder.packages.store import Store

CREATED = 1_700_000_000
DEB = Owner(kind="deb", name="base-files", version="13")
OWN = Owner(kind="file", name="app/")


def waiting_program() -> bytes:
    """An x86-64 ELF file that calls pause(2) for ever."""
    code = bytes.fromhex("b8220000000f05ebf7")  # mov eax,34; syscall; jmp back
    base, start = 0x400000, 120
    header = b"\x7fELF\2\1\1" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, start + len(code), start + len(code), 4096)
    return header + segment + code


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def image() -> Image:
    def made(path: str, kind: Kind, mode: int, owner: Owner = DEB, **changes) -> Entry:
        return Entry(path=path, kind=kind, mode=mode, owner=owner, mtime=CREATED - 7).replace(**changes)

    def file(path: str, data: bytes, mode: int = 0o644, owner: Owner = DEB, **changes) -> Entry:
        return made(path, Kind.FILE, mode, owner, content=Bytes(data), **changes)

    entries = [
        *(made(path, Kind.DIRECTORY, 0o755) for path in ("usr", "usr/bin", "usr/share", "etc", "home")),
        made("tmp", Kind.DIRECTORY, 0o1777),
        made("home/nonroot", Kind.DIRECTORY, 0o700, uid=65532, gid=65532),
        made("bin", Kind.SYMLINK, 0o777, target="usr/bin"),
        made("etc/localtime", Kind.SYMLINK, 0o777, target="/usr/share/zoneinfo/Etc/UTC"),
        made("usr/share/long", Kind.SYMLINK, 0o777, target="x/" * 90 + "y"),
        file("usr/bin/wait", waiting_program(), 0o755),
        file("usr/bin/capable", b"#!/none\n", 0o755, xattrs=(
            ("security.capability", bytes.fromhex("0100000200200000000000000000000000000000")),
        )),
        file("usr/share/Ünïcode name", "größe".encode()),
        file("usr/share/" + "deep/" * 40 + "end", b"far"),
        file("usr/share/big", bytes(range(256)) * 9000),
        file("etc/passwd", b"root:x:0:0::/:/none\nnonroot:x:65532:65532::/home/nonroot:/none\n"),
        file("etc/shadow", b"root:*:::::::\n", 0o640, gid=42),
        made("app", Kind.DIRECTORY, 0o755, OWN),
        file("app/server.py", b"print()\n", owner=OWN),
        file("app/empty", b"", owner=OWN, mtime=0),
        file("app/mine", b"x", 0o600, OWN, uid=65532, gid=4_000_000),
    ]  # fmt: skip
    return Image(rootfs=Rootfs().with_entries(entries), config=config())


def config() -> ImageConfig:
    return ImageConfig(
        platform="linux/amd64",
        user="65532:65532",
        entrypoint=("/usr/bin/wait",),
        cmd=("--port", "8000"),
        env=(("PATH", "/usr/bin"), ("QUOTED", 'a "b" $c \\ d')),
        workdir="/app",
        labels=(("org.opencontainers.image.title", "test"), ("z", "1")),
        ports=("8000/tcp",),
        volumes=("/home/nonroot",),
        stop_signal="SIGTERM",
        healthcheck=Healthcheck(command=("/usr/bin/wait",), interval=7, retries=2),
        created=CREATED,
    )
