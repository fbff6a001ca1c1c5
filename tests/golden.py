"""Rewrites the golden files: `python -m tests.golden`. What they hold depends on nothing but the checkout."""

import datetime
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from builder.config.schema import schema
from builder.config.seccomp import seccomp_text
from builder.config.workspace import Workspace
from builder.controls.catalogue import BY_KEY
from builder.controls.page import catalogue_page
from builder.model import gpu
from builder.model.image import Image, ImageConfig
from builder.model.plan import Plan
from builder.model.profile import RunSettings
from builder.model.spec import ImageSpec
from builder.model.tree import Bytes, Rootfs
from builder.profiles import settled
from builder.render.contract import make_contract
from builder.render.definition import render
from builder.render.rootfs import account_entries
from builder.verify.marks import live_tests
from tests.unit.verify import parts as report

TOP = Path(__file__).resolve().parents[1]
PAGE = TOP / "docs/controls.md"
SCHEMAS = TOP / "docs/schema"
CASES = TOP / "tests/cases/render"
LAYERS = ("layers/01-system.tar.gz", "layers/02-python.tar.gz", "layers/03-app.tar.gz")
IMAGES = {
    "python": TOP / "images/python",
    "onnx-inference": TOP / "images/onnx-inference",
    "cuda-runtime": TOP / "images/cuda-runtime",
    "notebook": TOP / "images/notebook",
    "awkward": CASES / "awkward/input",
    "own-template": CASES / "own-template/input",
    "full-contract": CASES / "full-contract/input",
    "gpu": CASES / "gpu/input",
    "gpu-amd": CASES / "gpu-amd/input",
}


def main() -> None:
    for name in IMAGES:
        shutil.rmtree(CASES / name / "expected", ignore_errors=True)
    for path, text in (*golden_files(), *report.golden_files(), *schemas(), (PAGE, page())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def golden_files() -> Iterator[tuple[Path, str]]:
    """Every golden file and what belongs into it."""
    for name, folder in IMAGES.items():
        planned = plan_of(name, folder)
        expected = CASES / name / "expected"
        image = image_of(planned)
        definition = render(
            planned, image, LAYERS, make_contract(planned, f"temper/{name}:golden", "65532:65532")
        )
        for file in definition.files:
            yield expected / file.path, file.text
        for entry in account_entries(planned, 0):
            if isinstance(entry.content, Bytes):
                yield expected / "rootfs" / entry.path, entry.content.data.decode()


def schemas() -> Iterator[tuple[Path, str]]:
    """What `temper schema` prints, for editors to find in the checkout."""
    for kind in ("image", "profile", "vex"):
        text = json.dumps(schema(kind, BY_KEY), indent=2, sort_keys=True)
        yield SCHEMAS / f"{kind}.schema.json", f"{text}\n"


def page() -> str:
    """docs/controls.md, out of the catalogue, the live suites' markers and the profiles."""
    workspace = Workspace((TOP,), TOP)
    asked: dict[str, list[str]] = {}
    for name, path in workspace.profiles().items():
        for key in settled(workspace, name, path, datetime.date.min).controls:
            asked.setdefault(key, []).append(name)
    return catalogue_page(live_tests(TOP / "tests/suites"), asked)


def plan_of(name: str, folder: Path) -> Plan:
    """Without profile and controls: these files are about the templates, and change with them alone."""
    spec = ImageSpec.model_validate(yaml.safe_load((folder / "image.yaml").read_text(encoding="utf-8")))
    return Plan(
        image=name,
        profile="golden",
        chain=("golden",),
        spec=spec,
        folder=folder,
        packages=(),
        controls=(),
        switched_off=(),
        run=run_of(folder, spec),
        waivers=(),
        seccomp=seccomp_text(folder / spec.seccomp) if spec.seccomp else "",
    )


def run_of(folder: Path, spec: ImageSpec) -> RunSettings:
    """What a profile would say, over what the image needs: `run.yaml` beside image.yaml."""
    path = folder / "run.yaml"
    said = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    wanted = {name: value for name, value in RunSettings.model_validate(said) if value is not None}
    return gpu.run_defaults(spec).model_copy(update=wanted)


def image_of(plan: Plan) -> Image:
    spec = plan.spec
    config = ImageConfig(
        platform="linux/amd64",
        user="65532:65532",
        entrypoint=spec.entrypoint,
        cmd=spec.cmd,
        env=tuple(sorted({"PATH": "/usr/local/bin:/usr/bin", **gpu.variables(spec)}.items())),
        workdir=spec.workdir,
        labels=tuple(sorted(gpu.labels(spec).items())),
        ports=tuple(f"{port}/tcp" for port in spec.ports),
        volumes=tuple(state.path for state in spec.state if state.mode == "rw"),
        stop_signal=spec.stop_signal,
        healthcheck=spec.healthcheck,
    )
    return Image(rootfs=Rootfs.of([]), config=config)


if __name__ == "__main__":
    main()
