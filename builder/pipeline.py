"""The stages in order: gather, compose, harden, assemble, render, audit, load, verify, report.

Everything that decides is a pure function of another room; this one connects them and touches the disk.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from builder.beside import beside
from builder.bills import Bills, bills_again, bills_of, linked, stated, write_bills
from builder.composing import make
from builder.controls.audit import Audited
from builder.controls.audit import audit as audit_image
from builder.errors import ArchiveError, InputError, StoreError
from builder.image.assemble import assemble, layer_files, link_layers
from builder.image.folder import plain_errors, replaced_as_a_whole
from builder.image.layout import read_layout
from builder.image.memory import LARGE, Memory
from builder.inputs import making
from builder.locks import current_lock
from builder.model.image import Image
from builder.model.plan import Plan
from builder.model.report import Outcome, Report
from builder.model.tree import Rootfs
from builder.packages.store import Store
from builder.render.contract import make_contract
from builder.results import alone_in, output_folder, read_definition, told_before, write_report, write_whole
from builder.scans import drop_others, stated_scan
from builder.settled.audited import audited_again
from builder.settled.frame import watched_image
from builder.settled.kept import keep
from builder.settled.made import row_again
from builder.settled.own import Seen, own_layer
from builder.stages import (
    DEFINITION,
    LAYOUT,
    PROVENANCE,
    PUBLISHED,
    REPORT,
    SBOM,
    Built,
    Made,
    Options,
    tag_of,
)
from builder.supply.provenance import provenance
from builder.verify.live import not_run
from builder.verify.report import make_report, totals
from builder.workplace import Workplace, chosen_platform, host_platform


def render(place: Workplace, plan: Plan, platform: str | None, folder: Path) -> None:
    """Writes the definition alone: a complete build context."""
    write_definition(place, plan, make(place, plan, chosen_platform(plan, platform)), folder)


def write_definition(place: Workplace, plan: Plan, made: Made, folder: Path) -> None:
    """The rendered files and the layers, whole or not at all."""
    from builder.render.definition import render as render_definition  # noqa: PLC0415 - as above

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
    if options.engine == "docker" and not why_not_live(platform, options, failed=False):
        from builder.live import engine_answers  # noqa: PLC0415 - as below

        engine_answers()
    made = make(place, plan, platform, anew=options.anew)
    with alone_in(place, folder):
        with plain_errors(folder):
            for name in (REPORT, PROVENANCE, PUBLISHED):  # they would speak of the image before this one
                (folder / name).unlink(missing_ok=True)
        written = assemble(made.image, place.store, folder / LAYOUT, name=tag_of(plan))
        made = replace(made, image=written)
        drop_others(folder, written.digest)
        write_definition(place, plan, made, folder / DEFINITION)
        place.progress.stage("writing the SBOM")
        bills = described(place, plan, made, folder / SBOM)
        made = replace(made, sbom=bills.row)
        write_whole(folder / PROVENANCE, provenance(making(place, plan, made)))
        place.progress.stage("auditing")
        seen = audited_again(place, plan, made, folder)
        if seen is None:
            own = own_layer(written)
            made = replace(made, image=without_trees(written))
            del written
            seen = read_back(place, plan, made, folder)
            if made.settled is None:
                keep(place.store, made, own, bills, seen, folder)
        report = judged(place, plan, made, seen, folder, options)
        write_report(folder, report)
    return Built(folder=folder, report=report)


def described(place: Workplace, plan: Plan, made: Made, folder: Path) -> Bills:
    """The SBOM in both forms."""
    before, own = made.settled, own_layer(made.image)
    if before is None:
        return write_bills(place.store, plan, made.image, made.section, folder)
    if (known := bills_of(place.store, before.bills)) is None:
        raise StoreError(f"{place.store.root}: lost the SBOM of the build before just now; build again")
    row = row_again(before, own)
    image, files = made.image, own.rootfs
    again = bills_again(place.store, known, plan=plan, image=image, own=files, layer=own.digest, row=row)
    return linked(place.store, again, folder)


def read_back(place: Workplace, plan: Plan, made: Made, folder: Path) -> Seen:
    with distrusting(place.store, made.image):
        image = read_layout(folder / LAYOUT, memory=Memory(store=place.store, believe=LARGE))
        if made.frame is not None:
            image = watched_image(made.frame, image)
        return totals(image, made.section), audited(place, plan, made, image, folder)


def without_trees(image: Image) -> Image:
    """What was written is read back: of two trees with 80,000 files each one would be of no use."""
    layers = tuple(replace(layer, rootfs=Rootfs()) for layer in image.layers)
    return image.replace(rootfs=Rootfs(), layers=layers)


@contextmanager
def distrusting(store: Store, image: Image) -> Iterator[None]:
    """A layer that is read back damaged is damaged in the store: the next build makes it anew."""
    try:
        yield
    except ArchiveError:
        for layer in image.layers:
            store.distrust(layer.digest.removeprefix("sha256:"))
        raise


def examine(place: Workplace, plan: Plan, made: Made, image: Image, folder: Path, options: Options) -> Report:
    """Audits an image that was read back, then loads and verifies it where that can be done."""
    seen = totals(image, made.section), audited(place, plan, made, image, folder)
    return judged(place, plan, made, seen, folder, options)


def audited(place: Workplace, plan: Plan, made: Made, image: Image, folder: Path) -> tuple[Audited, ...]:
    return audit_image(
        image,
        plan,
        made.section,
        plan.controls,
        contract=made.contract,
        definition=read_definition(folder / DEFINITION),
        sboms=stated(place.store, folder),
        beside=beside(folder, made.indexes),
        scan=stated_scan(place, plan, folder),
    )


def judged(place: Workplace, plan: Plan, made: Made, seen: Seen, folder: Path, options: Options) -> Report:
    """The report; of a container too, where the image can be loaded."""
    whole, audits = seen
    failed = any(one.outcome is Outcome.FAILED and not plan.waives(one.key) for one in audits)
    reason = why_not_live(made.image.config.platform, options, failed=failed)
    live, loaded = not_run(reason), False
    if reason and options.gpu:
        from builder.gpu.rows import none_run  # noqa: PLC0415 - few ask for it

        live = replace(live, gpu=none_run(options.gpu, reason))
    if not reason:
        from builder.live import look_live  # noqa: PLC0415 - the engine's client takes 0.2 s to import

        live, loaded = look_live(place, plan, made, folder, options)
    return make_report(
        plan=plan,
        image=whole,
        audits=audits,
        changes=made.changes,
        pruned=made.pruned,
        live=live,
        tag=made.contract.image if loaded else "",
        sbom=made.sbom,
    )


def why_not_live(platform: str, options: Options, *, failed: bool) -> str:
    """Why the image isn't loaded; empty where nothing speaks against it."""
    if options.engine == "none":
        return "turned off by --engine none"
    if failed:
        return "the image fails its audit, so it was neither loaded nor tagged"
    if platform != host_platform():
        return f"the image is for {platform}, this machine is {host_platform()}"
    return ""


def audit(place: Workplace, plan: Plan, options: Options) -> Report:
    """Looks at a finished image again, every layer of it; with `verify`, live too."""
    if options.gpu:
        from builder.gpu.asked import check_image  # noqa: PLC0415 - as above

        check_image(plan, options.gpu)
    with finished(place, plan, options) as (folder, made):
        report = examine(place, plan, made, made.image, folder, options)
        if options.verify:
            write_report(folder, report)
        return report


@contextmanager
def finished(place: Workplace, plan: Plan, options: Options) -> Iterator[tuple[Path, Made]]:
    """An image that was built before, and its folder, which nobody else changes meanwhile."""
    platform = chosen_platform(plan, options.platform)
    folder = output_folder(plan, platform, options.output)
    if not (folder / LAYOUT).is_dir():
        raise InputError(f"{folder / LAYOUT}: no such image; run `temper build {plan.image}` first")
    if options.verify and platform != host_platform():
        raise InputError(
            f"--platform: an image for {platform} can't be started on {host_platform()}; run `temper audit`"
        )
    lock = current_lock(place, plan)
    with alone_in(place, folder):
        place.progress.stage("auditing")
        image = read_layout(folder / LAYOUT, platform, Memory(store=place.store))
        before = told_before(folder, image.digest)
        yield (
            folder,
            Made(
                image=image,
                changes={one.key: one.changed for one in before.controls} if before is not None else {},
                pruned=before.pruned if before is not None else 0,
                sbom=before.sbom if before is not None else None,
                section=lock.platforms[platform],
                indexes=lock.indexes,
                contract=make_contract(plan, tag_of(plan), image.config.user),
            ),
        )
