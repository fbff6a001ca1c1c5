"""The stages in order: gather, compose, harden, assemble, render, audit, load, verify, report.

Everything that decides is a pure function of another room; this one connects them and touches the disk.
"""

import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from builder import resources
from builder.controls.audit import audit as audit_image
from builder.controls.harden import harden
from builder.errors import EngineError, InputError
from builder.image.assemble import assemble, layer_files, link_layers
from builder.image.engine import Engine
from builder.image.folder import replaced_as_a_whole
from builder.image.layers import layer_blob, split
from builder.image.layout import read_layout
from builder.locks import busybox, current_lock, gather
from builder.model.contract import RunContract
from builder.model.image import Image
from builder.model.lock import LockedPlatform
from builder.model.plan import Plan
from builder.model.report import Outcome, Report
from builder.packages.store import Store
from builder.render.contract import make_contract
from builder.render.definition import render as render_definition
from builder.render.rootfs import account_entries, image_user
from builder.rootfs.compose import compose
from builder.verify.formats import json_text
from builder.verify.live import LiveResult, not_run
from builder.verify.report import make_report
from builder.verify.runner import verify as run_suites
from builder.verify.toolbox import make_toolbox
from builder.workplace import Workplace, chosen_platform, created, host_platform

LAYOUT = "oci"
DEFINITION = "definition"
REPORT = "report.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `temper build` was asked for besides the plan."""

    output: Path | None = None
    platform: str | None = None
    engine: str = "auto"
    """`auto`: load the layout where an engine answers; `required`: the same, and fail where none does;
    `docker`: have the engine build the definition; `none`."""
    verify: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    folder: Path
    """Holds `oci/`, `definition/` and `report.json`."""
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A hardened image with its layers cut and in the store."""

    image: Image
    changes: dict[str, tuple[str, ...]]
    section: LockedPlatform
    contract: RunContract


def tag_of(plan: Plan) -> str:
    return f"temper/{plan.image}:{plan.profile}"


def output_folder(plan: Plan, platform: str, wanted: Path | None) -> Path:
    return wanted or Path("build") / f"{plan.image}-{plan.profile}-{platform.partition('/')[2]}"


def make(place: Workplace, plan: Plan, platform: str) -> Made:
    """gather, compose, harden, and the layers' blobs."""
    lock, packages = gather(place, plan, platform)
    section = lock.platforms[platform]
    moment = created(lock.date)
    place.progress.stage("composing and hardening")
    generated = account_entries(plan, moment)
    image = compose(plan, platform, packages, generated, image_user(plan), moment)
    hardened = harden(image, plan, section)
    place.progress.stage("writing layers")
    return Made(
        image=packed(hardened.image, place.store),
        changes=dict(hardened.changes),
        section=section,
        contract=make_contract(plan, tag_of(plan), hardened.image.config.user),
    )


def packed(image: Image, store: Store) -> Image:
    """The image cut into layers whose blobs lie in the store."""
    layers = []
    for layer in split(image.rootfs):
        blob = layer_blob(layer, store, image.config.created)
        layers.append(replace(layer, digest=blob.digest, diff_id=blob.diff_id))
    return image.replace(layers=tuple(layers))


def render(place: Workplace, plan: Plan, platform: str | None, folder: Path) -> None:
    """Writes the definition alone: a complete build context."""
    write_definition(place, plan, make(place, plan, chosen_platform(plan, platform)), folder)


def write_definition(place: Workplace, plan: Plan, made: Made, folder: Path) -> None:
    """The rendered files and the layers, whole or not at all."""
    names = layer_files(made.image.layers)
    definition = render_definition(plan, made.image, names, made.contract)
    with replaced_as_a_whole(folder, place.store, marker="Dockerfile") as fresh:
        for file in definition.files:
            target = fresh / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.text, encoding="utf-8")
            target.chmod(0o755 if file.executable else 0o644)
        link_layers(made.image, place.store, fresh)


def build(place: Workplace, plan: Plan, options: Options) -> Built:
    """The whole pipeline. An image that fails its audit is written and reported, but never tagged."""
    platform = chosen_platform(plan, options.platform)
    folder = output_folder(plan, platform, options.output)
    made = make(place, plan, platform)
    (folder / REPORT).unlink(missing_ok=True)  # it would speak of the image before this one
    written = assemble(made.image, place.store, folder / LAYOUT, name=tag_of(plan))
    write_definition(place, plan, made, folder / DEFINITION)
    made = replace(made, image=written)
    report = examine(place, plan, made, folder, options)
    write_report(folder, report)
    return Built(folder=folder, report=report)


def examine(place: Workplace, plan: Plan, made: Made, folder: Path, options: Options) -> Report:
    """Audits what stands on the disk, then loads and verifies it where that can be done."""
    place.progress.stage("auditing")
    image = read_layout(folder / LAYOUT)
    audits = audit_image(image, plan, made.section, plan.controls)
    failed = any(one.outcome is Outcome.FAILED and not waived(plan, one.key) for one in audits)
    live, loaded = look_live(place, plan, made, folder, options, failed)
    return make_report(
        plan=plan,
        image=image,
        lock=made.section,
        audits=audits,
        changes=made.changes,
        live=live,
        tag=made.contract.image if loaded else "",
    )


def waived(plan: Plan, key: str) -> bool:
    return any(waiver.control == key for waiver in plan.waivers)


def look_live(
    place: Workplace, plan: Plan, made: Made, folder: Path, options: Options, failed: bool
) -> tuple[LiveResult, bool]:
    """Loads the image, and runs the suites if that was asked for; says whether it was loaded."""
    reason = why_not_live(made.image.config.platform, options, failed)
    if reason:
        return not_run(reason), False
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


def why_not_live(platform: str, options: Options, failed: bool) -> str:
    """Why the image isn't loaded; empty where nothing speaks against it."""
    if options.engine == "none":
        return "turned off by --engine none"
    if failed:
        return "the image fails its audit, so it was neither loaded nor tagged"
    if platform != host_platform():
        return f"the image is for {platform}, this machine is {host_platform()}"
    return ""


def run_live(place: Workplace, plan: Plan, made: Made, folder: Path, engine: Engine) -> LiveResult:
    place.progress.stage("verifying in a container")
    suites = [resources.suites_folder()]
    own = plan.folder / "tests"
    if any(own.glob("test_*.py")):
        suites.append(own)
    program = busybox(place, made.section)
    with tempfile.TemporaryDirectory(prefix="temper-toolbox-") as name:
        tools = make_toolbox(program, Path(name), made.image.config.platform)
        return run_suites(engine, (folder / LAYOUT).absolute(), made.contract, plan, tools, tuple(suites))


def audit(place: Workplace, plan: Plan, options: Options) -> Report:
    """Looks at a finished image again, every layer of it; with `verify`, live too."""
    platform = chosen_platform(plan, options.platform)
    folder = output_folder(plan, platform, options.output)
    if not (folder / LAYOUT).is_dir():
        raise InputError(f"{folder / LAYOUT}: no such image; run `temper build {plan.image}` first")
    lock = current_lock(place, plan)
    image = read_layout(folder / LAYOUT, platform)
    made = Made(
        image=image,
        changes=changes_of(folder, image.digest),
        section=lock.platforms[platform],
        contract=make_contract(plan, tag_of(plan), image.config.user),
    )
    report = examine(place, plan, made, folder, options)
    if options.verify:
        write_report(folder, report)
    return report


def changes_of(folder: Path, digest: str) -> dict[str, tuple[str, ...]]:
    """What hardening changed, out of the report of the build, if it speaks of this very image."""
    try:
        data = json.loads((folder / REPORT).read_bytes())
        data.pop("passed")  # computed
        report = Report.model_validate_json(json.dumps(data))
    except (OSError, ValueError, KeyError, AttributeError):
        return {}
    return {one.key: one.changed for one in report.controls} if report.digest == digest else {}


def write_report(folder: Path, report: Report) -> None:
    """Whole or not at all."""
    fresh = folder / f".{REPORT}"
    fresh.write_text(json_text(report), encoding="utf-8")
    fresh.replace(folder / REPORT)
