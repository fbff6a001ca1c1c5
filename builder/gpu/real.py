"""`temper verify IMAGE --gpu all`: an image on the GPUs of this machine. The stub is refused by its mark."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from builder.gpu.findings import Expected, neighbour_findings, unasked_findings
from builder.gpu.frameworks import working_rows
from builder.gpu.host import HostGpu
from builder.gpu.native import Native, compiled
from builder.gpu.probing import Case, Probing, Starter
from builder.gpu.route import Route, real
from builder.gpu.rows import ALONE, CLEAN, REAL, kernel_row, row, wiring_rows
from builder.gpu.settings import setting_rows
from builder.gpu.stub import CONTROL
from builder.gpu.translate import ThisHost
from builder.model.injection import Injection
from builder.model.report import CheckResult
from builder.packages.store import Store

WAY = "the engine gives the GPU to a container"


def verify_on(
    engine: Starter, case: Case, store: Store, gpus: tuple[HostGpu, ...], wanted: str, spec: Path | None
) -> tuple[CheckResult, ...]:
    """`gpus` are those of this machine that were `wanted`.

    Raises `ToolError` where there is no compiler or no way to a GPU: nothing was asked for that could be left
    out.
    """
    with tempfile.TemporaryDirectory(prefix="temper-gpu-", ignore_cleanup_errors=True) as name:
        native = compiled(store, Path(name))
        info = engine.info()
        route = real(info, gpus, wanted, spec, ThisHost())
        first = real(info, gpus[:1], str(gpus[0].index), spec, ThisHost()) if len(gpus) > 1 else None
        return rows_of(engine, case, native, route, gpus, first)


def rows_of(
    engine: Starter,
    case: Case,
    native: Native,
    route: Route,
    gpus: tuple[HostGpu, ...],
    first: Route | None,
) -> tuple[CheckResult, ...]:
    """`first` gives the first of several GPUs, and no other."""
    probing = case.probing(engine, native, meant(case, gpus).nodes)
    way = row(REAL, WAY, (), "; ".join((route.how, *route.injection.left_out)))
    return (way, *_rows(probing, case, route.injection, gpus, first))


def meant(case: Case, gpus: tuple[HostGpu, ...]) -> Expected:
    return Expected(
        nodes=(*CONTROL, *(gpu.node for gpu in gpus)),
        uuids=tuple(gpu.uuid for gpu in gpus),
        utility="utility" in case.gpu.capabilities,
    )


def _rows(
    probing: Probing, case: Case, injection: Injection, gpus: tuple[HostGpu, ...], first: Route | None
) -> Iterator[CheckResult]:
    yield row(REAL, CLEAN, unasked_findings(probing.look().seen))
    look = probing.look(injection, kernel=True)
    yield from wiring_rows(REAL, look.seen, meant(case, gpus))
    yield kernel_row(look.seen)
    yield from setting_rows(REAL, look, case.contract)
    yield from working_rows(probing, injection, case.wheels, case.gpu.memory_fraction)
    if first is not None:
        yield row(REAL, ALONE, neighbour_findings(probing.look(first.injection).seen, (gpus[0].node,)))
    else:
        yield row(REAL, ALONE, neighbour_findings(look.seen, tuple(gpu.node for gpu in gpus)))
