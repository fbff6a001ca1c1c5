"""A small tree with one of everything, and what the tests need to turn it into an image."""

import dataclasses
from pathlib import Path

import pytest

from builder.model.image import Image, ImageConfig
from builder.model.spec import Healthcheck
from builder.model.tree import Bytes, Entry, Kind, Owner, Rootfs
from builder.packages.store import Store

CREATED = 1_700_000_000
DEB = Owner(kind="deb", name="libc6", version="2.41-12")
WHEEL = Owner(kind="wheel", name="numpy", version="2.4.0")
OWN = Owner(kind="file", name="app/")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def image() -> Image:
    def file(path: str, data: bytes, owner: Owner, mode: int = 0o644) -> Entry:
        return Entry(
            path=path, kind=Kind.FILE, mode=mode, content=Bytes(data), mtime=CREATED - 5, owner=owner
        )

    entries = [
        Entry(path="usr", kind=Kind.DIRECTORY, mode=0o755, mtime=CREATED - 9, owner=DEB),
        file("usr/bin/tool", b"\x7fELF not really", DEB, 0o755),
        Entry(path="bin", kind=Kind.SYMLINK, mode=0o777, target="usr/bin", mtime=CREATED, owner=DEB),
        file("usr/share/a name with spaces/Ünïcode", "größe".encode(), DEB),
        file("usr/share/" + "deep/" * 60 + "end", b"far down", DEB),
        Entry(path="usr/lib/long", kind=Kind.SYMLINK, mode=0o777, target="x/" * 80 + "y", owner=DEB),
        file("usr/share/big", bytes(range(256)) * 9000, DEB),
        file("usr/local/lib/python3.13/dist-packages/numpy.py", b"import this\n", WHEEL),
        file("app/server.py", b"print('hello')\n", OWN),
        file("etc/shadow", b"root:*:::::::\n", Owner(kind="temper", name="accounts"), 0o640),
    ]
    entries.append(file("usr/bin/ping", b"capable", DEB).replace(
        xattrs=(("security.capability", b"\x01\x00\x00\x02\x00\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),)
    ))  # fmt: skip
    entries.append(file("app/data", b"mine", OWN).replace(uid=65532, gid=4_000_000))
    entries.append(file("app/empty", b"", OWN).replace(mtime=CREATED + 999))
    return Image(rootfs=Rootfs().with_entries(entries), config=config())


def config() -> ImageConfig:
    return ImageConfig(
        platform="linux/amd64",
        user="65532:65532",
        entrypoint=("python3", "-m", "server"),
        cmd=("--port", "8000"),
        env=(("PATH", "/usr/bin"), ("A", "x=y")),
        workdir="/app",
        labels=(("a", "1"), ("b", 'quote " and ü')),
        ports=("80/tcp", "8000/tcp"),
        volumes=("/state",),
        stop_signal="SIGTERM",
        healthcheck=Healthcheck(command=("python3", "/app/health.py"), interval=7, retries=2),
        created=CREATED,
    )


@pytest.fixture
def plain():
    """An entry's facts without the owner, and with its content by digest: what an archive can carry."""

    def facts(entry: Entry) -> dict[str, object]:
        fields = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
        return {**fields, "owner": None, "content": entry.content and entry.content.sha256}

    return facts
