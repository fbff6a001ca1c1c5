"""`scan.json` beside an image: read back, dropped with the image that it was about, told in the report."""

from pathlib import Path
from typing import TYPE_CHECKING

from builder.controls.audit import Audited, audit_one
from builder.controls.frame import Context
from builder.image.folder import plain_errors
from builder.model.image import Image
from builder.model.plan import ForeignPlan, Plan
from builder.model.report import ControlResult, Outcome, Report
from builder.model.scan import Scan, StatedScan
from builder.stages import SCAN, VEX
from builder.verify.report import after, not_assessed, waiver_for
from builder.workplace import Workplace, today

if TYPE_CHECKING:
    from builder.model.vex import Issued

LARGEST = 64 << 20
"""Bytes of a scan.json that is read back: a hundred thousand findings."""
CONTROLS = ("vulnerability-scan", "no-pending-updates", "supported-packages", "vex-only", "known-scanners")
"""Those that look at scan.json."""


def issued_of(place: Workplace, plan: Plan | ForeignPlan) -> tuple["Issued", ...]:
    """Of the workspace, and those beside the image. Raises `InputError` with every problem of them."""
    from builder.config.vex import statements  # noqa: PLC0415 - most images have neither scan nor statement

    folders = [place.workspace.cwd, *([plan.folder] if isinstance(plan, Plan) else [])]
    return statements(folders, plan.image, place.workspace.images())


def stated_scan(place: Workplace, plan: Plan, folder: Path) -> StatedScan | None:
    """Nothing where nobody scanned the image."""
    path = folder / SCAN
    if not path.is_file():
        return None
    scan = read_scan(path)
    if scan is None:
        return StatedScan(problem="is no scan that can be read; scan the image again", today=today())
    return StatedScan(scan=scan, today=today(), issued=issued_of(place, plan))


def read_scan(path: Path) -> Scan | None:
    try:
        if path.stat().st_size > LARGEST:
            return None
        return Scan.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None


def drop_others(folder: Path, digest: str) -> None:
    """What was found in the image before this one says nothing of this one."""
    with plain_errors(folder):
        (folder / VEX).unlink(missing_ok=True)
        scan = read_scan(folder / SCAN)
        if scan is None or scan.digest != digest:
            (folder / SCAN).unlink(missing_ok=True)


def rejudged(report: Report, plan: Plan, image: Image, stated: StatedScan | None) -> Report:
    """The report with what a new scan changes; everything else, live tests above all, as it was."""
    context = Context(plan=plan, scan=stated)
    audits = {key: audit_one(image, planned, context) for key in CONTROLS if (planned := plan.control(key))}
    controls = tuple(
        again(result, audits[result.key], plan) if result.key in audits else result
        for result in report.controls
    )
    kept = [line for line in report.not_run if line.partition(":")[0] not in audits]
    return report.model_copy(
        update={"controls": controls, "not_run": (*kept, *not_assessed(audits.values()))}
    )


def again(result: ControlResult, audited: Audited, plan: Plan) -> ControlResult:
    waiver = waiver_for(plan, result.key)
    failed = Outcome.FAILED in (audited.outcome, result.live)
    return result.model_copy(
        update={
            "audit": after(waiver, audited.outcome),
            "findings": audited.findings,
            "waiver": f"{waiver.reason} (until {waiver.expires})" if waiver and failed else "",
        }
    )
