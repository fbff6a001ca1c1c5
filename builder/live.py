"""The part of the pipeline that needs an engine: load or build the image, run the live suites."""

import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from builder import resources
from builder.errors import EngineError
from builder.image.engine import Engine
from builder.image.layers import plain_size
from builder.model.plan import Plan
from builder.model.report import CheckResult, Outcome, SeccompRow
from builder.model.spec import GpuSpec
from builder.stages import DEFINITION, LAYOUT, Made, Options
from builder.tools import busybox, strace
from builder.verify.live import LiveResult, not_run
from builder.verify.runner import verify as run_suites
from builder.verify.seccomp.facts import MACHINES as SYSCALL_MACHINES
from builder.verify.seccomp.facts import default_calls, probe_calls
from builder.verify.seccomp.profile import allowed
from builder.verify.seccomp.trace import Recording, read_traces
from builder.verify.seccomp.tracer import make_tracer
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
        identity = brought(place, made, folder, engine, options)
        tag = made.contract.image
        live = not_run(f"not asked for; run `temper verify {plan.image} --profile {plan.profile}`")
        if options.verify:
            live = run_live(place, plan, under(made, identity), folder, engine)
        if options.gpu and plan.spec.gpu is not None:
            rows = gpu_rows(place, plan.spec.gpu, under(made, identity), engine, options)
            live = replace(live, gpu=rows)
        if fails(plan, live):
            place.progress.note(
                f"'{tag}' was not given to it, since live tests fail; it is there as {identity}"
            )
            return live, False
        engine.tag(identity, tag)
        return live, True


def brought(place: Workplace, made: Made, folder: Path, engine: Engine, options: Options) -> str:
    """The image's id in the engine: without its tag, until nothing speaks against it."""
    if options.engine == "docker":
        place.progress.stage(f"engine {engine.version()} builds the definition")
        return engine.build(folder / DEFINITION, made.contract.image, tagged=False)
    place.progress.stage(f"loading into engine {engine.version()}")
    return engine.bring(folder / LAYOUT, made.contract.image, partial(plain_size, place.store))


def under(made: Made, identity: str) -> Made:
    return replace(made, contract=replace(made.contract, image=identity))


def fails(plan: Plan, live: LiveResult) -> bool:
    """As the report will say it: a waived control doesn't count."""
    checks = [*live.suites, *live.gpu]
    checks += [check for key, found in live.controls.items() if not plan.waives(key) for check in found]
    return any(check.outcome is Outcome.FAILED for check in checks)


def run_live(place: Workplace, plan: Plan, made: Made, folder: Path, engine: Engine) -> LiveResult:
    place.progress.stage("verifying in a container")
    program = busybox(place, made.section)
    with tempfile.TemporaryDirectory(prefix="temper-toolbox-") as name:
        tools = make_toolbox(program, Path(name), made.image.config.platform)
        layout = (folder / LAYOUT).absolute()
        live = run_suites(engine, layout, made.contract, plan, tools, suites_of(plan), lock=made.section)
    return replace(live, seccomp=seccomp_row(made, engine)) if made.contract.seccomp else live


def gpu_rows(
    place: Workplace, gpu: GpuSpec, made: Made, engine: Engine, options: Options
) -> tuple[CheckResult, ...]:
    """Imported where they are asked for: few are."""
    from builder.gpu.host import REHEARSAL, chosen, host_gpus  # noqa: PLC0415
    from builder.gpu.probing import Case, runtimes_of  # noqa: PLC0415
    from builder.gpu.real import verify_on  # noqa: PLC0415
    from builder.gpu.rehearsal import rehearse  # noqa: PLC0415

    case = Case(
        platform=made.image.config.platform,
        contract=made.contract,
        gpu=gpu,
        wheels={wheel.name: wheel.version for wheel in made.section.wheels},
        runtimes=runtimes_of(made.image),
        image=made.image,
    )
    if options.gpu == REHEARSAL:
        place.progress.stage("rehearsing with a stub driver")
        return rehearse(engine, case, place.store)
    place.progress.stage("verifying on this machine's GPU")
    gpus = chosen(host_gpus(), options.gpu)
    return verify_on(engine, case, place.store, gpus, options.gpu, options.cdi)


def suites_of(plan: Plan) -> tuple[Path, ...]:
    """Those that every image has to pass, the image's own, and its variant's."""
    folders = [plan.folder / "tests", *([plan.folder / f"tests-{plan.variant}"] if plan.variant else [])]
    return (resources.suites_folder(), *(folder for folder in folders if any(folder.glob("test_*.py"))))


def record(
    place: Workplace, plan: Plan, made: Made, folder: Path, engine: Engine
) -> tuple[Recording, LiveResult]:
    """Runs the suites with every system call noted, under the engine's default seccomp profile."""
    place.progress.stage("recording system calls")
    platform = made.image.config.platform
    program, tree = busybox(place, made.section), strace(place, made.section)
    with tempfile.TemporaryDirectory(prefix="temper-toolbox-", ignore_cleanup_errors=True) as name:
        tools = make_toolbox(program, Path(name), platform)
        tracer = make_tracer(tree, tools, platform)
        live = run_suites(
            engine,
            (folder / LAYOUT).absolute(),
            replace(made.contract, seccomp=""),
            plan,
            tools,
            suites_of(plan),
            lock=made.section,
            tracer=tracer,
        )
        return read_traces(tracer.folder), live


def seccomp_row(made: Made, engine: Engine) -> SeccompRow:
    """What the contract's profile allows, and what it was tested on."""
    default = default_calls(SYSCALL_MACHINES[made.image.config.platform], engine.version())
    calls = allowed(made.contract.seccomp)
    return SeccompRow(
        allowed=len(calls),
        default=len(default),
        engine=engine.version(),
        runtime=engine.runtime(),
        probe=tuple(sorted(probe_calls() - calls)),
    )
