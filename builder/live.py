"""The part of the pipeline that needs an engine: load or build the image, run the live suites."""

import tempfile
from pathlib import Path

from builder import resources
from builder.errors import EngineError
from builder.image.engine import Engine
from builder.locks import busybox
from builder.model.plan import Plan
from builder.stages import DEFINITION, LAYOUT, Made, Options
from builder.verify.live import LiveResult, not_run
from builder.verify.runner import verify as run_suites
from builder.verify.toolbox import make_toolbox
from builder.workplace import Workplace


def engine_answers() -> None:
    """Raises `EngineError`: sooner than after a build that can't be finished without one."""
    Engine.connect().close()


def look_live(
    place: Workplace, plan: Plan, made: Made, folder: Path, options: Options
) -> tuple[LiveResult, bool]:
    """Loads the image, and runs the suites if that was asked for; says whether it was loaded."""
    try:
        engine = Engine.connect()
    except EngineError as error:
        if options.engine != "auto":
            raise
        return not_run(str(error)), False
    with engine:
        if options.engine == "docker":
            place.progress.stage(f"engine {engine.version()} builds the definition")
            engine.build(folder / DEFINITION, made.contract.image)
        else:
            place.progress.stage(f"loading into engine {engine.version()}")
            engine.load(folder / LAYOUT, made.contract.image)
        if not options.verify:
            return not_run(f"not asked for; run `temper verify {plan.image} --profile {plan.profile}`"), True
        return run_live(place, plan, made, folder, engine), True


def run_live(place: Workplace, plan: Plan, made: Made, folder: Path, engine: Engine) -> LiveResult:
    place.progress.stage("verifying in a container")
    suites = [resources.suites_folder()]
    own = plan.folder / "tests"
    if any(own.glob("test_*.py")):
        suites.append(own)
    program = busybox(place, made.section)
    with tempfile.TemporaryDirectory(prefix="temper-toolbox-") as name:
        tools = make_toolbox(program, Path(name), made.image.config.platform)
        return run_suites(
            engine,
            (folder / LAYOUT).absolute(),
            made.contract,
            plan,
            tools,
            tuple(suites),
            lock=made.section,
        )
