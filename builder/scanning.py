"""`temper scan`: every scanner's answer on a finished image, excused by VEX, held against the profile."""

import datetime
import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from builder.config.plan import make_foreign_plan
from builder.controls.catalogue import BY_KEY
from builder.controls.gate import Verdict, judge
from builder.errors import InputError
from builder.image.documents import INDEXES
from builder.image.layout import find_image, read_image
from builder.image.memory import Memory
from builder.locks import gather
from builder.model.image import Image
from builder.model.plan import Plan
from builder.model.sbom import CYCLONEDX
from builder.model.scan import Scan, ScannerName, Vulnerability
from builder.named import Wanted
from builder.packages.store import Store
from builder.reference import opened
from builder.results import alone_in, output_folder, told_before, write_report, write_whole
from builder.scan.excuse import excuse
from builder.scan.propose import absent, proposal
from builder.scan.run import TABLE, run
from builder.scan.target import Scanned, Scanner, Target
from builder.scans import issued_of, rejudged, stated_scan
from builder.stages import LAYOUT, SCAN
from builder.workplace import Workplace, chosen_platform, today
from builder.workplace import plan as make_plan

SEEN = "scan-seen-1"
"""Kind of the store's records: since when findings are known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What `temper scan` was asked for besides the image."""

    wanted: Wanted
    scanners: tuple[ScannerName, ...] = ()
    update: bool = False
    propose: bool = False
    """VEX statements, where the image proves them."""


def scan(
    place: Workplace, reference: str, asked: Asked, table: Mapping[ScannerName, Scanner] = TABLE
) -> Scanned:
    """Scans an image of ours as `build` left it, or any other.

    Raises what `named` does. What a scanner does wrong stands in its run.
    """
    if asked.propose and reference not in place.workspace.images():
        raise InputError(
            f"--propose-vex: '{reference}' was built by others; nobody here knows what its packages brought"
        )
    if reference in place.workspace.images():
        return of_ours(place, reference, asked, table)
    return of_others(place, reference, asked, table)


def of_ours(place: Workplace, reference: str, asked: Asked, table: Mapping[ScannerName, Scanner]) -> Scanned:
    """Its answer is kept beside the layout."""
    plan = make_plan(place, reference, asked.wanted.profile)
    platform = chosen_platform(plan, asked.wanted.platform)
    folder = output_folder(plan, platform, None)
    if not (folder / LAYOUT).is_dir():
        again = f"temper build {reference} --profile {plan.profile}"
        raise InputError(f"{folder / LAYOUT}: no such image; run `{again}` first")
    with alone_in(place, folder):
        image = read_image(find_image(folder / LAYOUT, platform), Memory(store=place.store))
        target = Target(
            place=place, plan=plan, image=image, layout=folder / LAYOUT, sbom=None, today=today(),
            update=asked.update,
        )  # fmt: skip
        found = answered(target, asked, table)
        found = with_first_seen(place.store, f"{plan.image} {plan.profile} {platform}", found)
        write_whole(folder / SCAN, json_text(found).encode())
        report = told_before(folder, image.digest)
        if report is not None:
            write_report(folder, rejudged(report, plan, image, stated_scan(place, plan, folder)))
        verdict = judge(found, plan.scan, target.today)
        proposed = proposal_for(target, plan, verdict) if asked.propose else ""
    return Scanned(
        scan=found,
        plan=plan,
        platform=platform,
        verdict=verdict,
        path=folder / SCAN,
        proposed=proposed,
    )


def proposal_for(target: Target, plan: Plan, verdict: Verdict) -> str:
    """What each package brought is known from its archive, which the store has since the build."""
    place = replace(target.place, offline=True, locked=True)
    _, packages = gather(place, plan, target.image.config.platform)
    absences = absent(verdict.findings, packages, target.image)
    return proposal(absences, plan.image, target.image.digest, target.today)


def of_others(
    place: Workplace, reference: str, asked: Asked, table: Mapping[ScannerName, Scanner]
) -> Scanned:
    """Its layout where it has one; else scanners are given an SBOM of what its own records say."""
    wanted, known = asked.wanted, place.workspace.images()
    with opened(reference, place.store, place.progress, wanted.platform, known) as found:
        plan = make_foreign_plan(place.workspace, found.name, wanted.profile, BY_KEY, today())
        layout = lone(found.place)
        with tempfile.TemporaryDirectory(prefix="temper-scan-") as folder:
            target = Target(
                place=place, plan=plan, image=found.image, layout=layout,
                sbom=None if layout else written_sbom(place, found.image, found.name, Path(folder)),
                today=today(), update=asked.update,
            )  # fmt: skip
            answer = answered(target, asked, table)
        where = found.place.resolve() if found.place is not None else reference
        answer = with_first_seen(place.store, f"{where} {found.image.config.platform}", answer)
    return Scanned(
        scan=answer,
        plan=plan,
        platform=found.image.config.platform,
        verdict=judge(answer, plan.scan, target.today),
        path=None,
    )


def lone(place: Path | None) -> Path | None:
    """A layout of one image: of several, each scanner would choose one by rules of its own."""
    if place is None or not place.is_dir():
        return None
    index = json.loads((place / "index.json").read_bytes())
    images = index.get("manifests", ())
    one = len(images) == 1 and images[0].get("mediaType") not in INDEXES
    return place if one else None


def written_sbom(place: Workplace, image: Image, name: str, folder: Path) -> Path:
    from builder.bills import document, keeping  # noqa: PLC0415 - the libraries take a while to import
    from builder.supply.collect import of_foreign  # noqa: PLC0415

    path = folder / "bom.json"
    graph = of_foreign(image, name, {})
    path.write_text("".join(document(graph, CYCLONEDX, keeping(place.store))), encoding="utf-8")
    return path


def answered(target: Target, asked: Asked, table: Mapping[ScannerName, Scanner]) -> Scan:
    issued = issued_of(target.place, target.plan)
    excused = excuse(run(target, asked.scanners, table), issued, target.image, target.today)
    moment = datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Scan(
        image=target.plan.image, digest=target.image.digest, time=moment, runs=excused.runs, vex=excused.notes
    )


def with_first_seen(store: Store, name: str, scan: Scan) -> Scan:
    """Each finding with the day since which it is known here. Where a fix came to be, the day of that."""
    key = hashlib.sha256(name.encode()).hexdigest()
    record = store.record(SEEN, key)
    before: dict[str, str] = json.loads(record) if record is not None else {}
    seen = {known_as(one): before.get(known_as(one), scan.date) for run in scan.runs for one in run.found}
    store.write_record(SEEN, key, json.dumps({**before, **seen}).encode())
    runs = tuple(
        one.model_copy(update={"found": tuple(dated(finding, seen) for finding in one.found)})
        for one in scan.runs
    )
    return scan.model_copy(update={"runs": runs})


def dated(one: Vulnerability, seen: Mapping[str, str]) -> Vulnerability:
    return one.model_copy(update={"first_seen": seen[known_as(one)]})


def known_as(one: Vulnerability) -> str:
    return f"{one.kind} {one.package} {one.id} {'fixed' if one.fixed else ''}"


def json_text(scan: Scan) -> str:
    """It can be read back."""
    data = scan.model_dump(mode="json", by_alias=True)
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
