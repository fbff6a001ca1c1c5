"""temper seccomp: an image's system calls recorded, a profile made of them, the live suites under it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from builder.image.engine import Engine
from builder.image.folder import plain_errors
from builder.live import record, under
from builder.model.contract import RunContract
from builder.model.plan import Plan
from builder.model.report import Outcome, Report
from builder.pipeline import examine, finished
from builder.render.definition import run_files
from builder.stages import DEFINITION, LAYOUT, Made, Options
from builder.verify.live import LiveResult
from builder.verify.seccomp.facts import MACHINES, always, base_of, default_calls
from builder.verify.seccomp.profile import make_profile
from builder.verify.seccomp.trace import Recording, let_through
from builder.workplace import Workplace


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    report: Report
    path: Path | None
    """The profile; nothing was written where the image failed under it."""


def fit(place: Workplace, plan: Plan, options: Options) -> Fitted:
    """Records what the image's tests and its health check call, and tests it under a profile of just that.

    The profile is written beside the definition, whose run files then name it, if the image passes.
    """
    with finished(place, plan, options) as (folder, made):
        with Engine.connect() as engine:
            place.progress.stage(f"loading into engine {engine.version()}")
            identity = engine.bring(folder / LAYOUT, made.contract.image)
            recording, live = record(place, plan, under(made, identity), folder, engine)
            text = fitted_profile(recording, made.image.config.platform, engine.version(), engine.runtime())
        contract = replace(made.contract, seccomp=text)
        report = examine(place, plan, replace(made, contract=contract), made.image, folder, options)
        report = report.model_copy(update={"not_run": (*report.not_run, *unrecorded(live))})
        path = write_run_files(folder / DEFINITION, made, contract) if report.passed else None
        return Fitted(report=report, path=path)


def fitted_profile(recording: Recording, platform: str, engine: str, runtime: str) -> str:
    """What the engine's default profile refuses stays refused: the program and the runtime did without."""
    machine = MACHINES[platform]
    default = default_calls(machine, engine)
    base = base_of(runtime)
    return make_profile(
        [
            ("the image's programs", let_through(recording.program, default)),
            ("every program", always()),
            (f"starting a program: {base.runtime}", frozenset(base.calls) & default),
        ],
        machine,
    )


def unrecorded(live: LiveResult) -> Iterator[str]:
    """A test that broke off under strace may have left calls out; the ones under the profile tell."""
    checks = [*live.suites, *(check for checks in live.controls.values() for check in checks)]
    names = sorted({check.name for check in checks if check.outcome is Outcome.FAILED})
    if names:
        yield f"recording: these failed under strace, and may call more: {'; '.join(names)}"
    yield from (f"recording: {reason}" for reason in live.not_run)


def write_run_files(folder: Path, made: Made, contract: RunContract) -> Path:
    with plain_errors(folder):
        for file in run_files(made.image, contract):
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.text, encoding="utf-8")
            target.chmod(0o755 if file.executable else 0o644)
    return folder / "run" / f"{contract.name}.seccomp.json"
