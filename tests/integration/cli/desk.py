"""A person's desk: a workspace, an empty home, a store, a mirror nearby, and the command `temper`."""

import dataclasses
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.integration.archive import Deb, LocalArchive
from tests.integration.cli.forks import Forks
from tests.integration.cli.mirror import Mirror

TEMPER = Path(sys.executable).with_name("temper")
PATIENCE = 60
"""Seconds until a command counts as hanging."""
NOW = int(time.time()) - 600
"""When the indexes are dated: the command looks at the real clock."""

OS = b'ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\nPRETTY_NAME="Test"\n'
BASE = Deb(name="base-files", architecture="all", files={"etc/os-release": OS})
LIB = Deb(
    name="lib",
    version="2.0",
    architecture="all",
    files={
        "usr/bin/run": b"#!/usr/bin/run\n",
        "usr/share/lib/noise": hashlib.shake_128(b"noise").digest(40_000),
    },
    modes={"usr/bin/run": 0o755},
    compression="",
)
APP = Deb(
    name="app",
    architecture="all",
    depends="lib (>= 2)",
    files={"usr/bin/app": b"#!/usr/bin/run\n"},
    modes={"usr/bin/app": 0o755},
)
DEBS = (BASE, LIB, APP)

IMAGE = """\
description: A test's application
base: debian/trixie
platforms: [linux/amd64]
packages: [app]
entrypoint: [app]
healthcheck: [app, --healthy]
"""
PROFILE = """\
extends: hardened
title: A bank's
"""
IMAGE_FILE, PROFILE_FILE, LOCK_FILE = (
    "images/app/image.yaml",
    "profiles/bank.yaml",
    "images/app/image.lock.json",
)
RESULT = "build/app-hardened-amd64"


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Desk:
    root: Path
    archive: LocalArchive
    mirror: Mirror
    forks: Forks

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def environment(self) -> dict[str, str]:
        """All of it: nothing of the caller's may matter but where programs are."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "TEMPER_STORE": str(self.store),
            "NO_PROXY": "127.0.0.1",
            "ENGINE": "none",
            **self.archive.environment(),
        }

    def write(self, path: str, text: str) -> Path:
        file = self.work / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> "Running":
        """In a process of its own, which runs on."""
        out = tempfile.TemporaryFile("w+")  # noqa: SIM115 - until it has ended
        reading, writing = os.pipe()
        environment = {**self.environment, **(env or {})}
        pid, wait = self.forks.start(arguments, self.work, environment, out.fileno(), writing)
        os.close(writing)
        return Running(pid, wait, out, os.fdopen(reading, "r"))

    def execute(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> Ran:
        """The installed command itself, from its first line; `prefix` is a program that starts it."""
        command = [*prefix, TEMPER, *arguments]
        done = subprocess.run(
            command, cwd=self.work, env={**self.environment, **(env or {})}, stdin=subprocess.DEVNULL,
            stdout=stdout, stderr=stderr, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout or "", done.stderr or "")

    def run(self, *arguments: str, **options: Any) -> Ran:
        return self.start(*arguments, **options).end()

    def refused(self, *arguments: str, **options: Any) -> tuple[int, str]:
        """Exit code and the whole of stderr of a command that says nothing on stdout. Without progress."""
        ran = self.run("-q", *arguments, **options)
        assert ran.out == ""
        return ran.code, ran.err

    def published(self, debs: Sequence[Deb] = DEBS, **options: Any) -> None:
        self.archive.publish(debs, **{"date": NOW, **options})

    def here(self) -> list[str]:
        """What stands in the workspace besides what a person wrote: files, and empty folders."""
        found = (path for path in self.work.rglob("*") if path.is_file() or not any(path.iterdir()))
        return sorted(str(path.relative_to(self.work)) for path in found if path.suffix != ".yaml")

    def store_is_whole(self) -> bool:
        """No blob is anything but what its name says."""
        blobs = (self.store / "blobs/sha256").iterdir()
        return all(hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name for blob in blobs)

    def half_made(self) -> list[str]:
        """Everything temporary, wherever it may stand. Partial downloads may stay: they are resumed."""
        places = [self.store / "temp", self.root / "tmp", self.root / "home"]
        found = [path for place in places if place.exists() for path in place.rglob("*")]
        found += [path for path in self.work.rglob(".*") if path.name != ".dockerignore"]
        return sorted(str(path.relative_to(self.root)) for path in found)

    def blob(self, data: bytes) -> Path:
        return self.store / "blobs/sha256" / hashlib.sha256(data).hexdigest()

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Holds one of the store's locks: whoever needs it waits at a known point."""
        path = self.store / "locks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def folder_lock(self, folder: str) -> str:
        return f"layout-{hashlib.sha256(os.fsencode(self.work / folder)).hexdigest()}"

    def copy_from(self, other: "Desk") -> None:
        """Takes over the lock, the store and the results."""
        shutil.copytree(other.store, self.store, dirs_exist_ok=True)
        shutil.copytree(other.work, self.work, symlinks=True, dirs_exist_ok=True)


@dataclass(slots=True)
class Running:
    pid: int
    wait: Callable[[], int]
    out: IO[str]
    err: IO[str]
    watchdog: threading.Timer = field(init=False)

    def __post_init__(self) -> None:
        self.watchdog = threading.Timer(PATIENCE, self.signal, [signal.SIGKILL])
        self.watchdog.start()

    def until(self, line: str) -> None:
        """Reads stderr up to a line."""
        seen = ""
        for found in self.err:
            seen += found
            if found == f"{line}\n":
                return
        raise AssertionError(f"ended without saying '{line}': {seen}")

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def end(self) -> Ran:
        with self.err, self.out:
            err = self.err.read()
            code = self.wait()
            self.watchdog.cancel()
            self.out.seek(0)
            return Ran(code, self.out.read(), err)


def newer(deb: Deb, version: str) -> Deb:
    return dataclasses.replace(deb, version=version)
