"""temper audit --structure-test: the tests that a team has already, run on an image of Temper's."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from builder.config.problems import shown
from builder.config.structure import parse_structure_test
from builder.errors import EngineError
from builder.image.engine import Engine
from builder.locks import busybox
from builder.model.image import Image
from builder.model.plan import Plan
from builder.model.report import CheckResult, Report
from builder.model.structure import StructureTest
from builder.pipeline import examine, finished
from builder.stages import LAYOUT, Made, Options
from builder.verify.commands import command_checks
from builder.verify.structure import not_followed, static_checks
from builder.verify.toolbox import make_toolbox
from builder.workplace import Workplace, host_platform

Files = Sequence[tuple[Path, StructureTest]]


def audit(place: Workplace, plan: Plan, options: Options, paths: Sequence[Path]) -> Report:
    """The audit, and every test of the files; `InputError` before anything else where one can't be read.

    Command tests need an engine: without one they are told as not run.
    """
    files = [(path, parse_structure_test(path)) for path in paths]
    with finished(place, plan, options) as (folder, made):
        report = examine(place, plan, made, made.image, folder, options)
        report = with_static(report, files, made.image)
        return with_commands(report, files, place, made, folder)


def with_static(report: Report, files: Files, image: Image) -> Report:
    checks = tuple(result for _, tests in files for result in static_checks(tests, image))
    notes = tuple(f"{shown(path)}: {note}" for path, tests in files for note in not_followed(tests))
    return more(report, checks, notes)


def with_commands(report: Report, files: Files, place: Workplace, made: Made, folder: Path) -> Report:
    wanted = [(path, tests) for path, tests in files if tests.command_tests]
    if not wanted:
        return report
    try:
        checks = in_containers(wanted, place, made, folder)
    except EngineError as error:
        return more(report, (), tuple(f"{shown(path)}: commandTests: {error}" for path, _ in wanted))
    return more(report, checks, ())


def in_containers(files: Files, place: Workplace, made: Made, folder: Path) -> tuple[CheckResult, ...]:
    platform = made.image.config.platform
    if platform != host_platform():
        raise EngineError(f"the image is for {platform}, this machine is {host_platform()}")
    with Engine.connect() as engine, tempfile.TemporaryDirectory(prefix="temper-toolbox-") as name:
        engine.load(folder / LAYOUT, made.contract.image)
        tools = make_toolbox(busybox(place, made.section), Path(name), platform)
        place.progress.stage("running command tests")
        return tuple(
            result for _, tests in files for result in command_checks(tests, engine, made.contract, tools)
        )


def more(report: Report, checks: tuple[CheckResult, ...], notes: tuple[str, ...]) -> Report:
    return report.model_copy(
        update={"suites": (*report.suites, *checks), "not_run": (*report.not_run, *notes)}
    )
