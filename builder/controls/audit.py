"""Every control of a profile looks at an image, and says how it stands."""

from collections.abc import Iterable
from dataclasses import dataclass

from builder.controls.catalogue import BY_KEY
from builder.controls.frame import Context, NotAssessed
from builder.model.beside import NOTHING, Beside
from builder.model.contract import RunContract
from builder.model.definition import Definition
from builder.model.image import Image
from builder.model.lock import LockedPlatform
from builder.model.plan import Plan, PlannedControl
from builder.model.report import Finding, Outcome
from builder.model.sbom import StatedSbom
from builder.model.scan import StatedScan


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    key: str
    outcome: Outcome
    """Passed, failed or not assessed; waivers are the report's business, since they cover live tests too."""
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    """Why it was not assessed."""


def audit(  # noqa: PLR0913 - what is known of the image, by name
    image: Image,
    plan: Plan | None,
    lock: LockedPlatform | None,
    controls: Iterable[PlannedControl],
    *,
    contract: RunContract | None = None,
    definition: Definition | None = None,
    sboms: tuple[StatedSbom, ...] | None = None,
    beside: Beside = NOTHING,
    scan: StatedScan | None = None,
) -> tuple[Audited, ...]:
    """Pure but for reading file contents. All but the controls is `None` for an image that others built."""
    context = Context(
        plan=plan,
        lock=lock,
        contract=contract,
        definition=definition,
        sboms=sboms,
        beside=beside,
        scan=scan,
    )
    return tuple(audit_one(image, planned, context) for planned in controls)


def audit_one(image: Image, planned: PlannedControl, context: Context) -> Audited:
    try:
        findings = tuple(BY_KEY[planned.key].audit(image, planned.parameters, context))
    except NotAssessed as reason:
        return Audited(key=planned.key, outcome=Outcome.NOT_ASSESSED, reason=str(reason))
    outcome = Outcome.FAILED if findings else Outcome.PASSED
    return Audited(key=planned.key, outcome=outcome, findings=findings)
