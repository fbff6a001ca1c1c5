"""Images that others built, as `temper audit` looks at them, and the other way to look: every layer unpacked
to disk, and all files searched.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.clock import FailedError, Ran, output, run
from bench.place import TOP, Place

SMALL_IMAGE = "temper-bench-small"
SAVED, LAYOUT = "large.tar", "large-oci"
DOCKERFILE = """\
FROM scratch
ADD tree.tar /
RUN mkdir -p /srv/app && echo 'print("hello")' > /srv/app/main.py
COPY Dockerfile /srv/app/
RUN rm -rf /usr/share/common-licenses
CMD ["/bin/sh"]
"""
SCAN = """\
set -e
archive=$1 folder=$2
shift 2
for layer; do
    mkdir -p "$folder/$layer"
    tar -xOf "$archive" "$layer" | tar -xpf - -C "$folder/$layer"
done
find "$folder" -type f -perm /6000 > "$folder.setuid"
grep -rlaF -e 'PRIVATE KEY-----' -e AKIA -e ghp_ -e hf_ -e sk-ant- -e glpat- "$folder" > "$folder.secrets" ||
    test $? = 1
"""
"""GNU tar takes each layer out of the archive and unpacks it, in the order of the manifest, into a folder of
its own; find lists setuid and setgid files, grep reads every file once for six plain texts."""

CHECK = "set -e; for blob; do gzip -dc $blob | sha256sum >/dev/null; done"
"""Both programs run at once, as Temper's threads do."""


def _hex(descriptor: dict[str, Any]) -> str:
    return str(descriptor["digest"]).removeprefix("sha256:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """`root` is kept between runs; `base` is a root file system that mmdebstrap wrote."""

    root: Path
    place: Place
    base: Path
    size: int
    """Bytes of the large image, unpacked."""

    @property
    def small(self) -> Path:
        return self.root / "small.tar"

    @property
    def large(self) -> Path:
        return self.root / f"large-{self.size}"

    @property
    def saved(self) -> Path:
        return self.large / SAVED

    def sizes(self) -> tuple[int, int]:
        """Bytes of both archives; 0 where one was not made."""
        small, large = (path.stat().st_size if path.is_file() else 0 for path in (self.small, self.saved))
        return small, large

    def set_up(self) -> None:
        """Raises `FailedError` where there is no base or no engine."""
        self.root.mkdir(parents=True, exist_ok=True)
        if not self.base.is_file():
            raise FailedError("there is no base image")
        context = self.root / "context"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
        self._make("slim", self.base, context / "tree.tar")
        if not self.saved.is_file():
            shutil.rmtree(self.large, ignore_errors=True)
            self._make("large", context / "tree.tar", self.large, self.size)
        env = {**self.place.env, "DOCKER_BUILDKIT": "0"}
        self._output(("docker", "build", "--tag", SMALL_IMAGE, "context"), env)
        try:
            self._output(("docker", "save", "--output", self.small, SMALL_IMAGE), env)
        finally:
            self._output(("docker", "image", "rm", "--force", SMALL_IMAGE), env)

    def _make(self, *words: str | Path | int) -> None:
        env = {**self.place.env, "PYTHONPATH": str(TOP)}
        self._output((sys.executable, "-m", "bench.synthetic", *(str(word) for word in words)), env)

    def _output(self, words: tuple[str | Path, ...], env: Mapping[str, str]) -> str:
        return output(words, env=env, cwd=self.root)

    def audit(self, reference: Path) -> Ran:
        """The whole process. Such images fail their profile, which is an answer and no failure."""
        words = self.place.command("audit", str(reference))
        return run(words, env=self.place.env, cwd=self.place.workspace, fine=(0, 1))

    def audit_layout(self) -> Ran:
        return self.audit(self.large / LAYOUT)

    def check_layout(self) -> Ran:
        """What nobody gets around who compares layers with what the config says they unpack to."""
        blobs = self.large / LAYOUT / "blobs" / "sha256"
        index = json.loads((self.large / LAYOUT / "index.json").read_bytes())
        manifest = json.loads((blobs / _hex(index["manifests"][0])).read_bytes())
        words = ("sh", "-c", CHECK, "check", *(blobs / _hex(layer) for layer in manifest["layers"]))
        return run(words, env=self.place.env, cwd=self.root)

    @property
    def unpacked(self) -> Path:
        return self.root / "unpacked"

    def clear(self) -> None:
        shutil.rmtree(self.unpacked, ignore_errors=True)

    def scan(self, archive: Path) -> Ran:
        try:
            manifest = json.loads(self._output(("tar", "-xOf", archive, "manifest.json"), self.place.env))
            words = ("sh", "-c", SCAN, "scan", archive, self.unpacked, *manifest[0]["Layers"])
            return run(words, env=self.place.env, cwd=self.root)
        finally:
            self.clear()
