"""The distribution's own registry on loopback, to publish to; it needn't be installed."""

import json
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.clock import FailedError, Ran, output
from bench.place import IMAGE, Place

PACKAGE = "docker-registry"
PATIENCE = 10
"""Seconds until it answers."""


@dataclass(slots=True)
class Registry:
    """What was published in the round before is there in the next one."""

    root: Path
    place: Place
    host: str = ""
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def set_up(self) -> None:
        """Raises `FailedError` where it can't be had or doesn't start."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        program = self._program()
        self.host = f"127.0.0.1:{free_port()}"
        settings = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.root / "data")}},
            "http": {"addr": self.host},
        }
        (self.root / "config.yml").write_text(json.dumps(settings))  # YAML too
        with (self.root / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [program, "serve", self.root / "config.yml"], stdout=log, stderr=log
            )
        self._wait()

    def _program(self) -> str:
        if found := shutil.which(PACKAGE):
            return found
        output(("apt-get", "download", "-qq", PACKAGE), env=self.place.env, cwd=self.root)
        [package] = self.root.glob(f"{PACKAGE}_*.deb")
        output(("dpkg-deb", "--extract", package, self.root), env=self.place.env, cwd=self.root)
        return str(self.root / "usr/bin" / PACKAGE)

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE
        host, _, port = self.host.partition(":")
        while time.monotonic() < end:
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    return
            time.sleep(0.02)
        raise FailedError(f"{PACKAGE} did not start")

    def publish(self) -> Ran:
        return self.place.temper("publish", IMAGE, f"{self.host}/bench/python:1")

    def close(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
