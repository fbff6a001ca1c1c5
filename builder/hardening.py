"""Images that others built, hardened into new ones of one layer."""

import re
from dataclasses import dataclass
from pathlib import Path

from builder.bills import write_foreign_bills
from builder.controls.foreign import HardenedForeign, harden_foreign
from builder.errors import InputError
from builder.foreign import plan_for, report_of
from builder.image.assemble import assemble, layer_files, link_layers
from builder.image.folder import plain_errors, replaced_as_a_whole
from builder.image.layout import read_layout
from builder.image.memory import LARGE, Memory
from builder.image.openable import openable
from builder.model.image import Image, Layer
from builder.model.plan import ForeignPlan
from builder.model.report import Outcome, Report
from builder.model.tree import Rootfs
from builder.reference import Opened, opened
from builder.results import alone_in, write_report
from builder.stages import DEFINITION, LAYOUT, REPORT, SBOM
from builder.workplace import Workplace, created

FLATTENED = "flattened"
"""The one layer of a hardened image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `temper harden` was asked for besides image and profile."""

    output: Path | None = None
    platform: str | None = None
    tag: str = ""
    """To load it into the engine under."""
    dry_run: bool = False
    """Only tell what would be changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardened:
    report: Report
    folder: Path | None
    """Holds `oci/`, `sbom/`, `report.json`, and `definition/` where a Dockerfile can say it; `None` for a dry
    run."""


def harden(place: Workplace, reference: str, profile: str, options: Options) -> Hardened:
    """Flattens the image, applies what can be enforced on files and config, and writes a new one.

    Raises what `opened` does; nothing is written before the image was read whole.
    """
    plan = plan_for(place, reference, profile)
    known = place.workspace.images()
    with opened(reference, place.store, place.progress, options.platform, known) as found:
        folder = options.output or output_folder(plan, found)
        refuse_itself(found, folder)
        place.progress.stage("hardening")
        if options.dry_run:
            done = harden_foreign(dated(found.image), plan.controls)
            report = report_of(plan, with_layer(done.image), done=done)
            return Hardened(report=report, folder=None)
        with openable(dated(found.image), place.store) as image, alone_in(place, folder):
            done = harden_foreign(image, plan.controls)
            return write(place, plan, done, folder, options)


def write(
    place: Workplace,
    plan: ForeignPlan,
    done: HardenedForeign,
    folder: Path,
    options: Options,
) -> Hardened:
    """Assembles the image, audits what stands on the disk then, and loads it where that was asked for."""
    with plain_errors(folder):
        (folder / REPORT).unlink(missing_ok=True)  # it would speak of the image before this one
    place.progress.stage("writing the layout")
    name = options.tag or f"temper/{plain_name(plan.image)}:{plan.profile}"
    written = assemble(with_layer(done.image), place.store, folder / LAYOUT, name=name)
    advice = write_definition(place, plan, written, folder)
    place.progress.stage("auditing")
    image = read_layout(folder / LAYOUT, memory=Memory(store=place.store, believe=LARGE))
    place.progress.stage("writing the SBOM")
    row = write_foreign_bills(place.store, image, plan.image, folder / SBOM)
    report = report_of(plan, image, done=done, advice=advice, sbom=row)
    if options.tag:
        report = loaded(place, report, folder, options.tag)
    write_report(folder, report)
    return Hardened(report=report, folder=folder)


def loaded(place: Workplace, report: Report, folder: Path, tag: str) -> Report:
    """Also where it fails its profile: whoever names a tag for it wants to see whether it still works."""
    from builder.image.engine import Engine  # noqa: PLC0415 - its client takes 0.2 s to import

    with Engine.connect() as engine:
        place.progress.stage(f"loading '{tag}' into engine {engine.version()}")
        engine.load(folder / LAYOUT, tag)
    failed = [one.key for one in report.controls if one.outcome is Outcome.FAILED]
    if failed:
        place.progress.note(f"'{tag}' was loaded though it fails {', '.join(failed)}")
    return report.model_copy(update={"tag": tag})


def write_definition(place: Workplace, plan: ForeignPlan, image: Image, folder: Path) -> tuple[str, ...]:
    """A build context of the same image; or why a Dockerfile can't say it."""
    from builder.render.foreign import dockerfile  # noqa: PLC0415 - an audit needs no templates

    target = folder / DEFINITION
    try:
        text = dockerfile(plan.image, plan.profile, image.config, layer_files(image.layers))
    except InputError as error:
        with replaced_as_a_whole(target, place.store, marker="Dockerfile"):
            pass  # an older one would describe another image
        target.rmdir()
        return (f"no definition was written, only the layout: {error}",)
    with replaced_as_a_whole(target, place.store, marker="Dockerfile") as fresh:
        (fresh / "Dockerfile").write_text(text, encoding="utf-8")
        link_layers(image, place.store, fresh)
    return ()


def dated(image: Image) -> Image:
    """With a date that no file is newer than: SOURCE_DATE_EPOCH, the image's own, else its newest file's."""
    own = image.config.created or max((entry.mtime for entry in image.rootfs.values()), default=0)
    return image.replace(config=image.config.replace(created=created(max(own, 0))))


def with_layer(image: Image) -> Image:
    return image.replace(layers=(Layer(name=FLATTENED, rootfs=Rootfs.of(image.rootfs.values())),))


def output_folder(plan: ForeignPlan, found: Opened) -> Path:
    architecture = found.image.config.platform.partition("/")[2]
    return Path("build") / f"{plain_name(found.name)}-{plan.profile}-{architecture}"


def plain_name(reference: str) -> str:
    """`registry/team/app:1.2` -> `registry-team-app-1.2`, `sha256:0123...` -> `sha256-0123...`."""
    return re.sub(r"[^a-z0-9._]+", "-", reference.lower()).strip("-._")[:80] or "image"


def refuse_itself(found: Opened, folder: Path) -> None:
    """The image is read again while the new one is written."""
    if found.place is not None and found.place.resolve().is_relative_to((folder / LAYOUT).resolve()):
        raise InputError(f"'{folder}': is where the image itself lies; choose another folder with -o")
