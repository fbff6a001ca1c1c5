"""What was found, as rows of a report: each begins with the word for how it is known."""

from collections.abc import Iterable

from builder.gpu.findings import (
    Expected,
    Found,
    gpu_findings,
    kernel_findings,
    loader_findings,
    node_findings,
    runtime_findings,
)
from builder.gpu.seen import Runtime, Seen, as_version
from builder.model.report import CheckResult, Outcome

REHEARSAL = "rehearsal"
REAL = "gpu"
WIRING = "the GPU's wiring"
"""All of it, where none could be looked at."""
CLEAN = "without a request there is no driver and no GPU"
ALONE = "one GPU is asked for, and one is given"
LOADED = "the loader finds the host's driver"
OPENED = "the image's user may open every node"
COUNTED = "the driver shows the GPUs that were asked for"
RUNTIME = "the CUDA runtime reaches the driver"
KERNEL = "a kernel's sums are the CPU's"
NO_RUNTIME = "the image has no CUDA runtime (libcudart)"
NO_LIBRARY = "no library of the driver was loaded"


def row(kind: str, what: str, found: Iterable[object], note: str = "") -> CheckResult:
    """`note` stands in a row that passed."""
    text = "; ".join(map(str, found))
    outcome = Outcome.FAILED if text else Outcome.PASSED
    return CheckResult(name=f"{kind}: {what}", outcome=outcome, message=text or note)


def none_run(gpu: str, reason: str) -> tuple[CheckResult, ...]:
    """Of what `--gpu` asked for."""
    return (unrun(REHEARSAL if gpu == REHEARSAL else REAL, WIRING, reason),) if gpu else ()


def unrun(kind: str, what: str, reason: str) -> CheckResult:
    return CheckResult(name=f"{kind}: {what}", outcome=Outcome.NOT_RUN, message=reason)


def wiring_rows(kind: str, seen: Seen, expected: Expected) -> tuple[CheckResult, ...]:
    """What stands on a row that failed is not run: it could say nothing of its own."""
    loaded, opened = loader_findings(seen, expected), node_findings(seen, expected)
    return (
        row(kind, LOADED, loaded, seen.cuda.path),
        row(kind, OPENED, opened, f"as {seen.uid}:{seen.gid}"),
        _counted(kind, seen, expected, (*loaded, *opened)),
        _runtime(kind, seen, expected),
    )


def counted(gpus: int) -> str:
    return f"{gpus} GPU{'' if gpus == 1 else 's'}"


def kernel_row(seen: Seen) -> CheckResult:
    if not seen.cuda.path:
        return unrun(REAL, KERNEL, NO_LIBRARY)
    return row(REAL, KERNEL, kernel_findings(seen), f"on {counted(len(seen.kernels))}")


def _counted(kind: str, seen: Seen, expected: Expected, before: tuple[Found, ...]) -> CheckResult:
    if before:
        return unrun(
            kind, COUNTED, f"it stands on what failed: {', '.join(dict.fromkeys(one.name for one in before))}"
        )
    return row(kind, COUNTED, gpu_findings(seen, expected), counted(len(seen.cuda.uuids)))


def _runtime(kind: str, seen: Seen, expected: Expected) -> CheckResult:
    if not seen.runtimes:
        return unrun(kind, RUNTIME, NO_RUNTIME)
    if not seen.cuda.path:
        return unrun(kind, RUNTIME, NO_LIBRARY)
    found = runtime_findings(seen, expected)
    if not found and seen.cuda.init != 0:
        return unrun(kind, RUNTIME, "the driver does not answer")
    return row(kind, RUNTIME, found, "; ".join(_versions(one, seen) for one in seen.runtimes))


def _versions(runtime: Runtime, seen: Seen) -> str:
    text = f"runtime {as_version(runtime.version)}, driver {as_version(seen.cuda.version)}"
    if seen.cuda.version < runtime.version:
        return f"{text}: by minor version compatibility, which leaves out what is compiled at run time (PTX)"
    return text
