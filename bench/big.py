"""The images of gigabytes: how large they are, how fast they are built beside `cp`, how fast they start."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.clock import FailedError, Ran, output, run
from bench.place import TOP
from bench.stats import Series
from bench.table import megabytes, number, seconds, table

STARTED = {
    "onnx-inference-gpu": "import onnxruntime, starlette, uvicorn",
    "torch": "import torch",
    "torch-jit": "import torch",
    "training": "import torch.distributed",
    "vllm": "import vllm.entrypoints.openai.api_server",
}
"""Image -> what its Python has imported when it counts as started: none of them serves without a GPU."""
ALONE = ("--engine", "none")
HEADING = "## Images of gigabytes"
TEXT = """\
Written by `python -m bench --big`, one image after the other, from the person's own store, where everything
was downloaded and unpacked before. `build` is a whole process that composes, hardens and audits everything
anew (`--anew`) to a finished layout; layers are found by their content, and one that was looked at before is
not read again. `app change` is a build after a change of one file of one's own, which takes all else from the
build before; `and loaded` the same into Docker, where the image before the change is. Bytes per second are
those of the unpacked tree; beside it `cp -a` of the same files in the same run, layer by layer. `start` is
from the engine's order to the end of an interpreter that has imported the framework, in the container of the
run contract, without a GPU."""
HEAD = (
    *("image", "unpacked", "compressed", "packages", "executables", "layers"),
    *("build", "app change", "and loaded", "build, bytes/s", "`cp -a`, bytes/s", "peak memory", "start"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Big:
    name: str
    report: Mapping[str, Any]
    inside: Mapping[str, Any]
    """What `bench.big_inside` found out."""
    build: tuple[Ran, ...]
    changed: tuple[Ran, ...]
    loaded: tuple[Ran, ...] = ()
    """None where no engine answers."""

    @property
    def row(self) -> tuple[str, ...]:
        took = Series.of(ran.seconds for ran in self.build).median
        unpacked, copied = self.report["unpacked"], self.inside["copied"]
        cold = self.inside["cold"]
        return (
            f"`{self.name}`",
            megabytes(unpacked),
            megabytes(self.report["size"]),
            number(len(self.report["packages"])),
            number(self.inside["executables"]),
            number(self.report["layers"]),
            seconds(took),
            seconds(Series.of(ran.seconds for ran in self.changed).median),
            seconds(Series.of(ran.seconds for ran in self.loaded).median) if self.loaded else "not measured",
            f"{megabytes(unpacked / took)}/s",
            f"{megabytes(copied['bytes'] / copied['seconds'])}/s",
            megabytes(max(ran.peak for ran in (*self.build, *self.changed))),
            seconds(Series.of(cold).median) if cold else "not measured",
        )


def with_section(page: str, section: str) -> str:
    """The page with its last section replaced, or one more: a run of the rest leaves it as it is."""
    return f"{page.partition(HEADING)[0].rstrip()}\n\n{section}" if section else page


def section_of(page: str) -> str:
    """What stands there already; empty for nothing."""
    _, heading, rest = page.partition(HEADING)
    return heading + rest


def section(found: Sequence[Big], missing: Mapping[str, str], versions: Mapping[str, str]) -> str:
    rows = [one.row for one in found]
    rows += [
        (f"`{name}`", f"not measured: {reason}", *[""] * (len(HEAD) - 2)) for name, reason in missing.items()
    ]
    told = "\n".join(f"* {name}: {value}" for name, value in versions.items())
    return "\n\n".join((HEADING, TEXT, told, table(HEAD, rows)))


class BigPlace:
    """A workspace with a file of one's own in each image, and the person's store."""

    def __init__(self, root: Path) -> None:
        self.workspace = root / "big"
        unset = ("PYTHONDONTWRITEBYTECODE", "ENGINE", "SOURCE_DATE_EPOCH")
        self.env = {name: value for name, value in os.environ.items() if name not in unset}

    def set_up(self) -> None:
        shutil.rmtree(self.workspace, ignore_errors=True)
        skipped = shutil.ignore_patterns("__pycache__", ".*_cache")
        shutil.copytree(TOP / "images", self.workspace / "images", ignore=skipped)
        for folder in {self.folder(name) for name in STARTED}:
            (folder / "own").mkdir()
            self.change(folder)
            spec = folder / "image.yaml"
            text = spec.read_text(encoding="utf-8")
            own = "  - {source: own/, target: /own}\n"
            head, files, tail = text.partition("files:\n")
            spec.write_text(
                f"{head}{files}{own}{tail}" if files else f"{text}files:\n{own}", encoding="utf-8"
            )

    def folder(self, name: str) -> Path:
        return self.workspace / "images" / name.removesuffix("-jit")

    def change(self, folder: Path) -> None:
        with (folder / "own/app.py").open("a", encoding="utf-8") as file:
            file.write("# changed\n")

    def build(self, name: str, *more: str) -> Ran:
        temper = Path(sys.executable).with_name("temper")
        words = (temper, "-q", "build", name, "--locked", *more)
        return run(words, env=self.env, cwd=self.workspace)

    def docker(self, *words: str) -> str:
        return output(("docker", *words), env=self.env, cwd=self.workspace)

    def image(self, tag: str) -> str:
        """Its id; empty where there is none of the name, or no engine."""
        try:
            return self.docker("image", "inspect", "--format", "{{.Id}}", tag).strip()
        except FailedError:
            return ""

    def result(self, name: str) -> Path:
        return self.workspace / "build" / f"{name}-hardened-amd64"

    def report(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.result(name) / "report.json").read_text(encoding="utf-8"))
        return found

    def inside(self, name: str, runs: int) -> dict[str, Any]:
        words = (sys.executable, "-m", "bench.big_inside", name, STARTED[name], str(runs))
        env = {**self.env, "PYTHONPATH": str(TOP)}
        found: dict[str, Any] = json.loads(output(words, env=env, cwd=self.workspace))
        return found


def measure(
    place: BigPlace, names: Sequence[str], runs: int, tell: Callable[[str], None]
) -> tuple[list[Big], dict[str, str]]:
    """What was measured, and of the others why not. No image is left behind in the engine."""
    found, missing = [], {}
    for name in names:
        tell(f"{name}: downloading and building it once")
        try:
            place.build(name, *ALONE)
            with tag_as_before(place, f"temper/{name}:hardened"):
                found.append(one(place, name, runs, tell))
        except FailedError as error:
            missing[name] = str(error)
            tell(f"{name}: not measured: {error}")
        shutil.rmtree(place.result(name), ignore_errors=True)
    return found, missing


@contextmanager
def tag_as_before(place: BigPlace, tag: str) -> Iterator[None]:
    """What is called so in the engine afterwards is what was before: the person's own image, or none.

    Also where the block fails: half of what it loads would fill the disk.
    """
    before = place.image(tag)
    try:
        yield
    finally:
        if (after := place.image(tag)) and after != before:
            place.docker("image", "rm", tag)
        if before:
            place.docker("image", "tag", before, tag)


def one(place: BigPlace, name: str, runs: int, tell: Callable[[str], None]) -> Big:
    build, changed = [], []
    for turn in range(runs):
        build.append(place.build(name, "--anew", *ALONE))
        place.change(place.folder(name))
        changed.append(place.build(name, *ALONE))
        tell(f"{name}: {turn + 1}: build {build[-1].seconds:.2f} s, app change {changed[-1].seconds:.2f} s")
    loaded = loads(place, name, runs)
    tell(f"{name}: app change, loaded: {', '.join(f'{ran.seconds:.2f} s' for ran in loaded)}")
    inside = place.inside(name, runs)
    tell(f"{name}: {inside}")
    return Big(
        name=name,
        report=place.report(name),
        inside=inside,
        build=tuple(build),
        changed=tuple(changed),
        loaded=loaded,
    )


def loads(place: BigPlace, name: str, runs: int) -> tuple[Ran, ...]:
    """Builds after a change each, into an engine that has the image before it: into which, with gigabytes,
    the first one takes minutes."""
    place.build(name)
    tag = place.report(name)["tag"]
    if not tag:
        return ()
    took = []
    for _ in range(runs):
        before = place.image(tag)
        place.change(place.folder(name))
        took.append(place.build(name))
        place.docker("image", "rm", before)
    return tuple(took)
