"""`temper verify IMAGE --gpu rehearsal`: how an image would meet a GPU, on a machine that has none.

The stub driver is injected as the vendor's runtime injects a real one, and the probe looks from inside of the
container. Nothing here says that anything computes: every row begins with the word `rehearsal`.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from builder.errors import ToolError
from builder.gpu.devices import device_rows
from builder.gpu.findings import neighbour_findings, runtime_findings, unasked_findings
from builder.gpu.frameworks import loading_rows
from builder.gpu.hooks import hooks_row
from builder.gpu.native import compiled
from builder.gpu.permissions import permission_rows
from builder.gpu.probing import Case, Starter
from builder.gpu.rows import ALONE, CLEAN, NO_LIBRARY, NO_RUNTIME, REHEARSAL, WIRING, row, unrun, wiring_rows
from builder.gpu.seen import ProbeError, as_version
from builder.gpu.settings import setting_rows, written_row
from builder.gpu.stage import DEFAULT_MAJOR, GPUS, Stage, expected
from builder.model.report import CheckResult
from builder.packages.store import Store

OLD = "a driver too old is known by its name"
HARDWARE = "a real GPU"
NO_HARDWARE = "the stub driver computes nothing; run the same without rehearsal where there is a GPU"
PROBED = "the probe runs in the container"
OURS = "see what the image's libcudart says of its version"
OLDER = {"12": "11080", "13": "12040"}


def rehearse(engine: Starter, case: Case, store: Store) -> tuple[CheckResult, ...]:
    """Raises `EngineError` where the engine is gone: that says nothing of the image."""
    hardware = unrun(REHEARSAL, HARDWARE, NO_HARDWARE)
    with tempfile.TemporaryDirectory(prefix="temper-gpu-", ignore_cleanup_errors=True) as name:
        try:
            native = compiled(store, Path(name))
        except ToolError as error:
            return (unrun(REHEARSAL, WIRING, str(error).partition("\n")[0]), hardware)
        if case.gpu.vendor != "nvidia":
            rows = device_rows(case.probing(engine, native), case.gpu.vendor, Path(name))
            return (*_seen(rows), hardware)
        stage = Stage(
            probing=case.probing(engine, native, expected(*range(GPUS)).nodes),
            native=native,
            info=engine.info,
            platform=case.platform,
            cuda=case.gpu.cuda or DEFAULT_MAJOR,
            scratch=Path(name),
        )
        return (*_seen(_rows(stage, case, store)), hardware)


def _seen(rows: Iterator[CheckResult]) -> list[CheckResult]:
    """All of them, or as many as there were until the probe broke off: that is the image's fault."""
    found: list[CheckResult] = []
    try:
        found.extend(rows)
    except ProbeError as error:
        found.append(row(REHEARSAL, PROBED, [f"{error}; see that the image has its loader and C library"]))
    return found


def _rows(stage: Stage, case: Case, store: Store) -> Iterator[CheckResult]:
    unasked = stage.probing.look()
    yield row(REHEARSAL, CLEAN, unasked_findings(unasked.seen))
    edits = stage.edits("all")
    look = stage.look(edits)
    yield from wiring_rows(REHEARSAL, look.seen, expected(*range(GPUS)))
    yield from setting_rows(REHEARSAL, look, case.contract)
    yield written_row(REHEARSAL, look.changed, stage.places(edits), case.contract)
    yield from _older(stage)
    yield from permission_rows(stage)
    with stage.injected(edits) as route:
        yield from loading_rows(stage.probing, route.injection, case.wheels)
    yield hooks_row(stage, case.image, store)


def _older(stage: Stage) -> Iterator[CheckResult]:
    """One container for both: it has one GPU of two, and a driver of the CUDA before."""
    seen = stage.look(stage.edits("0", cuda=OLDER[stage.cuda])).seen
    yield row(REHEARSAL, ALONE, neighbour_findings(seen, ("/dev/nvidia0",)))
    missing = NO_RUNTIME if not seen.runtimes else "" if seen.cuda.path else NO_LIBRARY
    if missing:
        yield unrun(REHEARSAL, OLD, missing)
        return
    names = [one.name for one in runtime_findings(seen, expected(0))]
    wrong = (
        [] if "old-driver" in names else [f"CUDA {as_version(seen.cuda.version)} is taken for enough; {OURS}"]
    )
    yield row(REHEARSAL, OLD, wrong, "; ".join(names))
