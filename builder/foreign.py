"""Images that others built, looked at as they are: there is no image.yaml."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from builder.beside import of_others
from builder.config.plan import make_foreign_plan
from builder.controls.audit import Audited
from builder.controls.audit import audit as audit_image
from builder.controls.catalogue import BY_KEY
from builder.controls.foreign import HardenedForeign
from builder.controls.origin import with_origins
from builder.model.image import Image
from builder.model.plan import ForeignPlan
from builder.model.report import Report, SbomRow
from builder.reference import Opened, opened
from builder.verify.live import not_run
from builder.verify.report import make_report, totals
from builder.workplace import Workplace

NOT_LIVE = "an image without image.yaml has no run contract to start it by"


def plan_for(place: Workplace, name: str, profile: str) -> ForeignPlan:
    today = datetime.now(tz=UTC).date()
    planned = make_foreign_plan(place.workspace, name, profile, BY_KEY, today)
    for overridden in place.workspace.overridden():
        place.progress.note(str(overridden))
    return planned


def audit(place: Workplace, reference: str, profile: str, platform: str | None) -> Report:
    """Looks at every layer of whatever image `reference` means."""
    with audited(place, reference, profile, platform) as (_, report):
        return report


@contextmanager
def audited(
    place: Workplace, reference: str, profile: str, platform: str | None
) -> Iterator[tuple[Opened, Report]]:
    """The image's contents can be read again as long as the block runs."""
    plan = plan_for(place, reference, profile)
    known = place.workspace.images()
    with opened(reference, place.store, place.progress, platform, known) as found:
        place.progress.stage("auditing")
        audits = with_origins(
            found.image, audit_image(found.image, None, None, plan.controls, beside=of_others())
        )
        yield found, report_of(plan, found.image, audits)


def report_of(
    plan: ForeignPlan,
    image: Image,
    audits: tuple[Audited, ...] | None = None,
    done: HardenedForeign | None = None,
    advice: tuple[str, ...] = (),
    sbom: SbomRow | None = None,
) -> Report:
    return make_report(
        plan=plan,
        image=totals(image, None),
        audits=audit_image(image, None, None, plan.controls, beside=of_others())
        if audits is None
        else audits,
        changes=done.changes if done is not None else {},
        pruned=done.pruned if done is not None else 0,
        live=not_run(NOT_LIVE),
        sbom=sbom,
        tag="",
        advice=(*(done.advice if done is not None else ()), *advice),
    )
