"""Frameworks of the image, by its own Python: what loads beside the stub, and computes on a real GPU."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from builder.gpu.probing import Probing
from builder.gpu.rows import REAL, REHEARSAL, row, unrun
from builder.model.injection import Injection
from builder.model.report import CheckResult

PROGRAMS = Path(__file__).with_name("inside")
FRAMEWORKS = {
    "torch": "torch",
    "onnxruntime-gpu": "onnxruntime",
    "cupy-cuda12x": "cupy",
    "cupy-cuda13x": "cupy",
}
"""Wheel -> what it is imported by."""
LOADS = "frameworks load their CUDA parts"
WORKS = "frameworks compute what the CPU does"
NONE = f"the image has none of {', '.join(sorted(FRAMEWORKS))}"


def loading_rows(probing: Probing, injection: Injection, wheels: Mapping[str, str]) -> Iterator[CheckResult]:
    yield from _rows(REHEARSAL, LOADS, "load", probing, injection, wheels)


def working_rows(
    probing: Probing, injection: Injection, wheels: Mapping[str, str], fraction: float | None
) -> Iterator[CheckResult]:
    yield from _rows(REAL, WORKS, "work", probing, injection, wheels, fraction)


def _rows(  # noqa: PLR0913, PLR0917 - both rows above, in one form
    kind: str,
    what: str,
    verb: str,
    probing: Probing,
    injection: Injection,
    wheels: Mapping[str, str],
    fraction: float | None = None,
) -> Iterator[CheckResult]:
    there = [wheel for wheel in FRAMEWORKS if wheel in wheels]
    if not there:
        yield unrun(kind, what, NONE)
    for wheel in there:
        program = (PROGRAMS / f"{verb}_{FRAMEWORKS[wheel]}.py").read_text(encoding="utf-8")
        cap = [f"{fraction:g}"] if fraction is not None and wheel == "torch" else []
        answer = probing.run(["python3", "-c", program, *cap], injection)
        last = answer.text.strip().rpartition("\n")[2] or "it said nothing"
        wrong = [f"it ends with {answer.code}: {last}"] if answer.code else []
        yield row(kind, f"{what}: {wheel}", wrong, last)
