"""Cold starts: from `docker run` to a server's first answer, and what its imports take in a process that has
just begun. Each image with byte code, without, and beside both a stock one: Debian's Python from the same
archive, and the same wheels by pip.

`python -m bench.cold` measures these alone and prints their rows.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.answer import free_port, running, wait_for
from bench.clock import FailedError, Ran, output
from bench.peers import BASE_IMAGE, Peers, mirror
from bench.place import TOP, Place
from bench.rounds import Subject

WITH, WITHOUT, STOCK = "byte code", "no byte code", "stock image"
FORMS = (WITH, WITHOUT, STOCK)
MOST = 3
"""Rounds that are counted: they take their time, and differ by far more than noise."""
IMPORTS = """\
from json import dumps
from time import perf_counter, process_time
began, used = perf_counter(), process_time()
import {}
print(dumps([perf_counter() - began, process_time() - used]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One of our images that answers over HTTP."""

    original: str
    """`onnx-inference`, below `images/`."""
    modules: str
    """What its program imports before it listens."""
    port: int
    ready: str
    """A path that is answered by 200 once it is ready, and not before."""

    @property
    def image(self) -> str:
        return f"cold-{self.original}"


SERVERS = (
    Server(
        original="onnx-inference",
        modules="onnxruntime, starlette.applications, uvicorn",
        port=8000,
        ready="/v2/health/ready",
    ),
    Server(original="notebook", modules="jupyterlab.labapp, ipykernel.kernelapp", port=8888, ready="/api"),
)


def start_of(server: Server, form: str) -> str:
    return f"cold start of {server.original}, {form}"


def imports_of(server: Server, form: str) -> str:
    return f"imports of {server.original}, {form}"


NAMES = tuple(name(server, form) for server in SERVERS for form in FORMS for name in (start_of, imports_of))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cold:
    root: Path
    place: Place
    architecture: str
    """`amd64`"""
    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    """Image and form -> bytes unpacked, as the engine says."""

    def tag(self, server: Server, form: str) -> str:
        if form == STOCK:
            return f"temper-bench-stock-{server.original}"
        return f"temper/{server.image}{'-plain' if form == WITHOUT else ''}:hardened"

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self.tag(server, form) for server in SERVERS for form in FORMS)

    def set_up(self) -> None:
        """Builds and loads all of them. Raises `FailedError` where there is no base image or no engine."""
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        self._docker("image", "inspect", BASE_IMAGE)
        for server in SERVERS:
            self._copy(server)
            for name in (server.image, f"{server.image}-plain"):
                self._temper("build", name, "--locked", "--engine", "auto")
            self._stock(server)
            self._state(server)
            for form in FORMS:
                self._script(server, form)
                size = self._docker("image", "inspect", "--format", "{{.Size}}", self.tag(server, form))
                self.sizes[server.original, form] = int(size)

    def _copy(self, server: Server) -> None:
        """The image under another name, and without byte code as its variant, by the same lock."""
        folder = self.place.workspace / "images" / server.image
        kept = shutil.ignore_patterns("__pycache__", ".*_cache")
        shutil.copytree(TOP / "images" / server.original, folder, ignore=kept)
        with (folder / "image.yaml").open("a", encoding="utf-8") as file:
            file.write("variants: {plain: {python: {bytecode: false}}}\n")
        shutil.copyfile(folder / "image.lock.json", folder / "image-plain.lock.json")

    def _stock(self, server: Server) -> None:
        spec = json.loads(self._temper("plan", server.image, "--json"))["spec"]
        context = self.root / server.original
        self._wheels(server, context / "wheels")
        own = self.place.workspace / "images" / server.image
        for file in spec["files"]:
            shutil.copytree(own / file["source"], context / file["source"])
        (context / "Dockerfile").write_text(dockerfile(spec), encoding="utf-8")
        options = ("--force-rm", "--network", "host", "--tag", self.tag(server, STOCK))
        self._docker("build", *options, str(context), DOCKER_BUILDKIT="0")

    def _wheels(self, server: Server, folder: Path) -> None:
        lock = self.place.workspace / "images" / server.image / "image.lock.json"
        section = json.loads(lock.read_text(encoding="utf-8"))["platforms"][f"linux/{self.architecture}"]
        folder.mkdir(parents=True)
        for wheel in section["wheels"]:
            blob = self.place.store / "blobs" / "sha256" / wheel["sha256"]
            shutil.copyfile(blob, folder / wheel["filename"])

    def _state(self, server: Server) -> None:
        """What a person would bring: the tests' own, and folders that the image's user may write to."""
        folder = self.root / f"{server.original}-state"
        shutil.copytree(TOP / "images" / server.original / "tests" / "state", folder)
        (folder / "empty").mkdir()
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o644)

    def _script(self, server: Server, form: str) -> None:
        """The image's own run file, on a free port; the stock image is started in the same way."""
        built = self.place.folder(server.image, self.architecture)
        text = (built / "definition" / "run" / "docker-run.sh").read_text(encoding="utf-8")
        name, tag = re.escape(server.image), re.escape(self.tag(server, WITH))
        for old, new in (
            (rf"--name {name} ", '--name "$BENCH_NAME" '),
            (rf"127\.0\.0\.1:{server.port}:", '127.0.0.1:"$BENCH_PORT":'),
            (rf"  {tag} ", f"  {self.tag(server, form)} "),
        ):
            text, count = re.subn(old, new, text)
            if count != 1:
                raise FailedError(f"docker-run.sh of {server.image} has another form than this page knows")
        self._path(server, form).write_text(text, encoding="utf-8")

    def _path(self, server: Server, form: str) -> Path:
        return self.root / f"{server.original}-{form.replace(' ', '-')}.sh"

    def start(self, server: Server, form: str) -> Ran:
        """Until the first answer. The processor time and memory are those of the server's own process."""
        port, name = free_port(), f"temper-bench-{server.original}"
        folders = self._folders(server)
        env = {**self.place.env, **folders, "BENCH_PORT": str(port), "BENCH_NAME": name}
        begin = time.perf_counter()
        with running(("/bin/sh", str(self._path(server, form))), env, self._remove(name)) as child:
            wait_for(child, port, server.ready)
            seconds = time.perf_counter() - begin
            return self._used(name, seconds)

    def _folders(self, server: Server) -> dict[str, str]:
        """Each volume of the run file, by its variable."""
        state = self.root / f"{server.original}-state"
        text = self._path(server, WITH).read_text(encoding="utf-8")
        found = {}
        for path, variable in re.findall(r"target=([^,]+),.*?source='?\"?\"?\$(\w+)", text):
            given = state / path.strip("'").lstrip("/")
            found[variable] = str(given if given.is_dir() else state / "empty")
        return found

    def _remove(self, name: str) -> tuple[str, ...]:
        return ("docker", "rm", "--force", name)

    def _used(self, name: str, seconds: float) -> Ran:
        pid = self._docker("inspect", "--format", "{{.State.Pid}}", name).strip()
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        except OSError:
            raise FailedError("the engine runs on another machine") from None
        ticks = sum(map(int, stat[11:15]))  # utime, stime, cutime, cstime: proc_pid_stat(5)
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return Ran(seconds=seconds, cpu=ticks / 100, peak=int(found[1]) * 1024 if found else 0)

    def imports(self, server: Server, form: str) -> Ran:
        """By the clock of the process that imports, as the image's user on a read-only root."""
        options = ("--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--user", "65532:65532")  # noqa: S108
        words = ("run", *options, "--entrypoint", "python3", self.tag(server, form))
        seconds, cpu = json.loads(self._docker(*words, "-c", IMPORTS.format(server.modules)))
        return Ran(seconds=seconds, cpu=cpu, peak=0)

    def subjects(self) -> Iterator[Subject]:
        """The three forms of one image right after each other; each first reads its files by its imports."""
        for server in SERVERS:
            for form in FORMS:
                yield Subject(name=imports_of(server, form), measure=self._importing(server, form), most=MOST)
                yield Subject(name=start_of(server, form), measure=self._starting(server, form), most=MOST)

    def _starting(self, server: Server, form: str) -> Any:
        return lambda: self.start(server, form)

    def _importing(self, server: Server, form: str) -> Any:
        return lambda: self.imports(server, form)

    def _temper(self, verb: str, *words: str) -> str:
        return output(self.place.command(verb, *words), env=self.place.env, cwd=self.place.workspace)

    def _docker(self, *words: str, **env: str) -> str:
        return output(("docker", *words), env={**self.place.env, **env}, cwd=self.root)


def dockerfile(spec: Mapping[str, Any]) -> str:
    """What most people write for the same program: apt for Python, pip for the wheels."""
    packages = " ".join(["python3", "python3-pip", *spec["packages"]])
    copies = "".join(f"COPY {json.dumps([one['source'], one['target']])}\n" for one in spec["files"])
    variables = "".join(f"ENV {name}={json.dumps(value)}\n" for name, value in spec["env"].items())
    return (
        f"FROM {BASE_IMAGE}\n"
        "RUN apt-get update \\\n"
        f" && apt-get install -y --no-install-recommends {packages} \\\n"
        " && rm -rf /var/lib/apt/lists/*\n"
        "COPY wheels /wheels\n"
        "RUN pip install --break-system-packages --no-index --no-deps --no-cache-dir \\\n"
        " --ignore-installed /wheels/*.whl \\\n"
        " && rm -rf /wheels\n"
        f"{copies}{variables}"
        f"WORKDIR {json.dumps(spec['workdir'])}\n"
        f"ENTRYPOINT {json.dumps(spec['entrypoint'])}\n"
    )


def main() -> None:
    from bench.__main__ import ARCHITECTURES, tell  # noqa: PLC0415 - it imports this module
    from bench.cold_rows import cold_rows  # noqa: PLC0415
    from bench.rounds import Measured, interleaved  # noqa: PLC0415
    from bench.table import rows_text  # noqa: PLC0415

    place = Place(TOP / "build" / "bench")
    place.set_up()
    architecture = ARCHITECTURES.get(os.uname().machine, os.uname().machine)
    cold = Cold(root=place.root / "cold", place=place, architecture=architecture)
    with mirror(place.root / "mirror") as port:
        peers = Peers(folder=place.root / "peers", packages=(), port=port, env=dict(place.env))
        measured = Measured()
        try:
            peers.set_up()
            peers.import_base()
            cold.set_up()
            interleaved(tuple(cold.subjects()), MOST, tell, measured)
        finally:
            peers.remove(*cold.tags, BASE_IMAGE)
    print(rows_text(cold_rows(measured, cold.sizes)))


if __name__ == "__main__":
    main()
