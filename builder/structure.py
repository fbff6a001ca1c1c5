"""temper audit --structure-test: the tests that a team has already, run on any image."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from builder import foreign
from builder.config.problems import shown
from builder.config.structure import parse_structure_test
from builder.errors import EngineError
from builder.image.engine import Engine
from builder.image.layout import find_image
from builder.image.running import Mount
from builder.model.image import Image
from builder.model.plan import Plan
from builder.model.report import CheckResult, Report
from builder.model.structure import StructureTest
from builder.model.trial import Trial
from builder.pipeline import examine, finished
from builder.probe import spare_busybox
from builder.reference import Opened
from builder.stages import LAYOUT, Made, Options
from builder.tools import busybox
from builder.verify import trial
from builder.verify.commands import command_checks
from builder.verify.runner import HOLD, probe_contract
from builder.verify.session import MOUNT
from builder.verify.structure import static_checks
from builder.verify.toolbox import make_toolbox
from builder.workplace import Workplace, host_platform

NOT_FOLLOWED = "containerRunOptions: not followed; the run contract says how a container is started"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    path: Path
    tests: StructureTest

    def note(self, text: str) -> str:
        return f"{shown(self.path)}: {text}"


Files = Sequence[File]


def read(paths: Sequence[Path]) -> Files:
    return [File(path=path, tests=parse_structure_test(path)) for path in paths]


def audit(place: Workplace, plan: Plan, options: Options, paths: Sequence[Path]) -> Report:
    """The audit, and every test of the files; `InputError` before anything else where one can't be read.

    Command tests need an engine: without one they are told as not run.
    """
    files = read(paths)
    with finished(place, plan, options) as (folder, made):
        report = examine(place, plan, made, made.image, folder, options)
        notes = [
            file.note(NOT_FOLLOWED) for file in files if file.tests.container_run_options.model_fields_set
        ]
        report = more(report, static(files, made.image), notes)
        return with_commands(report, files, partial(in_containers, place, made, folder))


def audit_foreign(
    place: Workplace, reference: str, profile: str, platform: str | None, paths: Sequence[Path]
) -> Report:
    """The same of any image; command tests run in containers of exactly the image that was read."""
    files = read(paths)
    for file in files:
        environment(file)  # what can't be read there is told before anything else, too
    with foreign.audited(place, reference, profile, platform) as (found, audited):
        refused = {file.path: refusals(file) for file in files}
        notes = [note for said in refused.values() for note in said]
        report = more(audited, static(files, found.image), notes)
        allowed = [file for file in files if not refused[file.path]]
        return with_commands(report, allowed, partial(in_trials, place, found))


def refusals(file: File) -> list[str]:
    """Tests that ask for what they are not given would say nothing: none of them is run then."""
    if not file.tests.command_tests:
        return []
    asked = trial.refusals(file.tests.container_run_options, Path.cwd())
    return [file.note(f"commandTests: containerRunOptions.{text}") for text in asked]


def static(files: Files, image: Image) -> tuple[CheckResult, ...]:
    return tuple(result for file in files for result in static_checks(file.tests, image))


def with_commands(report: Report, files: Files, run: Callable[[Files], tuple[CheckResult, ...]]) -> Report:
    wanted = [file for file in files if file.tests.command_tests]
    if not wanted:
        return report
    try:
        return more(report, run(wanted), ())
    except EngineError as error:
        return more(report, (), [file.note(f"commandTests: {error}") for file in wanted])


def in_containers(place: Workplace, made: Made, folder: Path, files: Files) -> tuple[CheckResult, ...]:
    config = made.image.config
    with on_this_machine(config.platform) as engine:
        stored, program = find_image(folder / LAYOUT), busybox(place, made.section)
        with toolbox(program, config.platform) as tools, engine.lent(stored) as image:
            place.progress.stage("running command tests")
            contract = probe_contract(replace(made.contract, image=image))
            start = partial(engine.start, contract, mounts=(tools,), program=HOLD)
            return tuple(one for file in files for one in command_checks(file.tests, start, config.env))


def in_trials(place: Workplace, found: Opened, files: Files) -> tuple[CheckResult, ...]:
    config = found.image.config
    with on_this_machine(config.platform) as engine:
        program = spare_busybox(place, config.platform)
        with toolbox(program, config.platform) as tools, engine.lent(found.stored, found.identity) as image:
            place.progress.stage("running command tests")
            checks: list[CheckResult] = []
            for file in files:
                asked = make_trial(image, file)
                start = partial(engine.start_trial, asked, mounts=(tools,), program=HOLD)
                checks += command_checks(file.tests, start, (*config.env, *asked.env))
            return tuple(checks)


def make_trial(image: str, file: File) -> Trial:
    options = file.tests.container_run_options
    return Trial(
        image=image,
        user=options.user,
        env=environment(file),
        capabilities=trial.capabilities(options),
        mounts=trial.mounts(options, Path.cwd()),
    )


def environment(file: File) -> tuple[tuple[str, str], ...]:
    return trial.environment(file.tests.container_run_options, Path.cwd(), os.environ, file.path)


@contextmanager
def on_this_machine(platform: str) -> Iterator[Engine]:
    if platform != host_platform():
        raise EngineError(f"the image is for {platform}, this machine is {host_platform()}")
    with Engine.connect() as engine:
        yield engine


@contextmanager
def toolbox(program: Path, platform: str) -> Iterator[Mount]:
    with tempfile.TemporaryDirectory(prefix="temper-toolbox-") as name:
        yield Mount(source=make_toolbox(program, Path(name), platform), target=MOUNT)


def more(report: Report, checks: Sequence[CheckResult], notes: Sequence[str]) -> Report:
    return report.model_copy(
        update={"suites": (*report.suites, *checks), "not_run": (*report.not_run, *notes)}
    )
