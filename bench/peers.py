"""What others do for the same packages: mmdebstrap's two variants, and a Dockerfile with `apt-get install`.

All of them ask the mirror on loopback, and verify its signatures as Temper does.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen

from bench.clock import FailedError, Ran, output, run
from bench.place import TOP

BASE_IMAGE = "temper-bench-base"
PEER_IMAGE = "temper-bench-peer"
_PACKAGES = TOP / "builder" / "packages"
_HELD_STANZA = """Package: {name}
Status: install ok installed
Architecture: all
Multi-Arch: foreign
Version: 9999
Maintainer: bench
Description: held back
"""


@contextmanager
def mirror(folder: Path) -> Iterator[int]:
    """Port of the caching mirror, a process of its own."""
    words = [sys.executable, "-m", "bench.proxy", str(folder)]
    with Popen(words, cwd=TOP, stdout=PIPE, text=True) as child:
        try:
            line = child.stdout.readline() if child.stdout is not None else ""
            if not line.strip().isdecimal():
                raise FailedError("the mirror on loopback did not start")
            yield int(line)
        finally:
            child.terminate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Peers:
    folder: Path
    packages: tuple[str, ...]
    """`name=version`."""
    port: int
    env: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.partition("=")[0] for one in self.packages)

    @property
    def rootfs(self) -> Path:
        """minbase with the packages, as a tar archive."""
        return self.folder / "minbase-apt.tar"

    @property
    def base(self) -> Path:
        """minbase alone."""
        return self.folder / "base.tar"

    def set_up(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        keys = sorted((_PACKAGES / "keys").glob("*.asc"))
        self._write("keys.asc", "".join(key.read_text(encoding="utf-8") for key in keys))
        self._write("signed.list", self._sources(f"[signed-by={self.folder / 'keys.asc'}] "))
        self._write("plain.list", self._sources(""))
        held = re.findall(r"package: (\S+)", (_PACKAGES / "held.yaml").read_text(encoding="utf-8"))
        self._write("held", "\n".join(_HELD_STANZA.format(name=name) for name in held))
        context = self.folder / "context"
        context.mkdir(exist_ok=True)
        self._write("context/Dockerfile", dockerfile(self.names))

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def _sources(self, options: str) -> str:
        here = f"http://127.0.0.1:{self.port}"
        lines = (
            f"{here}/debian trixie",
            f"{here}/debian trixie-updates",
            f"{here}/debian-security trixie-security",
        )
        return "".join(f"deb {options}{line} main\n" for line in lines)

    def extract(self) -> Ran:
        """Exactly the lock's packages: what Temper holds back counts as installed."""
        hook = f'--setup-hook=cp {self.folder / "held"} "$1/var/lib/dpkg/status"'
        return self._mmdebstrap("extract", self.folder / "extract.tar", (hook, self._include(self.packages)))

    def minbase(self) -> Ran:
        """Essential packages and apt, then `apt-get install` of the lock's packages inside."""
        return self._mmdebstrap("minbase", self.rootfs, (self._include(self.names),))

    def _include(self, packages: tuple[str, ...]) -> str:
        return f"--include={','.join(packages)}"

    def _mmdebstrap(self, variant: str, target: Path, words: tuple[str, ...]) -> Ran:
        if os.geteuid() != 0:
            raise FailedError("mmdebstrap is compared as root only")
        sources = self.folder / "signed.list"
        return run(
            ("mmdebstrap", f"--variant={variant}", *words, "trixie", target, sources),
            env=self.env,
            cwd=self.folder,
        )

    def import_base(self) -> None:
        """The base image that the Dockerfile starts from: minbase, with sources that work inside of it."""
        hook = (
            '--customize-hook=rm -f "$1"/etc/apt/sources.list.d/*; '
            f'cp {self.folder / "plain.list"} "$1/etc/apt/sources.list"'
        )
        self._docker("version")
        self._mmdebstrap("minbase", self.base, (hook,))
        self._docker("import", str(self.base), BASE_IMAGE)

    def docker_build(self) -> Ran:
        """On the host's network, since the mirror is on loopback."""
        options = ("--no-cache", "--force-rm", "--network", "host", "--tag", PEER_IMAGE)
        env = {**self.env, "DOCKER_BUILDKIT": "0"}
        return run(("docker", "build", *options, "context"), env=env, cwd=self.folder)

    @property
    def saved(self) -> Path:
        return self.folder / "saved.tar"

    def take_out(self, image: str) -> None:
        """Of the engine, into an archive."""
        self._docker("save", "--output", str(self.saved), image)
        self.remove(image)

    def load(self) -> Ran:
        """What was taken out: the engine's own part of loading an image, and its client's."""
        return run(("docker", "load", "--quiet", "--input", self.saved), env=self.env, cwd=self.folder)

    def remove(self, *images: str) -> None:
        """Whether they are there or not."""
        for image in images:
            try:
                self._docker("image", "rm", "--force", image)
            except FailedError:
                continue  # it wasn't there, or no engine is: the next step tells

    def _docker(self, *words: str) -> str:
        return output(("docker", *words), env=self.env, cwd=self.folder)


def dockerfile(names: tuple[str, ...]) -> str:
    """What most people write."""
    return (
        f"FROM {BASE_IMAGE}\n"
        "RUN apt-get update \\\n"
        f" && apt-get install -y --no-install-recommends {' '.join(names)} \\\n"
        " && rm -rf /var/lib/apt/lists/*\n"
    )
