"""One report out of what was enforced, audited and seen live. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from builder.controls.audit import Audited
from builder.controls.catalogue import BY_KEY
from builder.controls.inventory import inventory
from builder.controls.terms import carried_terms
from builder.model.image import Image
from builder.model.lock import LockedPlatform
from builder.model.plan import ForeignPlan, Plan, PlannedControl
from builder.model.profile import Waiver
from builder.model.report import CheckResult, ControlResult, Outcome, PackageRow, Report, SbomRow
from builder.model.tree import Kind
from builder.verify.live import LiveResult

WORST_FIRST = (Outcome.FAILED, Outcome.NOT_ASSESSED, Outcome.NOT_RUN, Outcome.PASSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a report says of an image as a whole, as it was read back from disk."""

    platform: str
    digest: str
    created: str
    size: int
    unpacked: int
    layers: int
    files: int
    packages: tuple[PackageRow, ...]
    terms: tuple[str, ...]


def totals(image: Image, lock: LockedPlatform | None) -> Totals:
    """Without a lock, the packages are those that the image itself says it holds."""
    rows = packages(lock) if lock is not None else found_packages(image)
    return Totals(
        platform=image.config.platform,
        digest=image.digest,
        created=image.config.created_text,
        size=image.size,
        unpacked=sum(entry.size for entry in image.rootfs.files()),
        layers=len(image.layers),
        files=sum(1 for entry in image.rootfs.values() if entry.kind is not Kind.DIRECTORY),
        packages=rows,
        terms=tuple(carried_terms(image, ((row.kind, row.name, row.version) for row in rows))),
    )


def make_report(  # noqa: PLR0913 - what each stage found, by name
    *,
    plan: Plan | ForeignPlan,
    image: Totals,
    audits: Iterable[Audited],
    changes: Mapping[str, tuple[str, ...]],
    live: LiveResult,
    tag: str,
    pruned: int = 0,
    advice: Iterable[str] = (),
    sbom: SbomRow | None = None,
) -> Report:
    """`tag` is empty where no engine has the image."""
    by_key = {audited.key: audited for audited in audits}
    return Report(
        image=plan.image,
        variant_of=plan.variant_of if isinstance(plan, Plan) else "",
        foreign=isinstance(plan, ForeignPlan),
        profile=plan.profile,
        platform=image.platform,
        digest=image.digest,
        tag=tag,
        created=image.created,
        size=image.size,
        unpacked=image.unpacked,
        pruned=pruned,
        layers=image.layers,
        files=image.files,
        packages=image.packages,
        controls=tuple(
            control_result(planned, by_key.get(planned.key), changes, live, waiver_for(plan, planned.key))
            for planned in plan.controls
        ),
        switched_off=tuple(f"{off.key}: {off.reason} ({off.by})" for off in plan.switched_off),
        seccomp=live.seccomp,
        suites=live.suites,
        gpu=live.gpu,
        not_run=(*live.not_run, *not_assessed(by_key.values())),
        sbom=sbom,
        terms=image.terms,
        advice=tuple(advice),
    )


def packages(lock: LockedPlatform) -> tuple[PackageRow, ...]:
    debs = [PackageRow(name=item.name, version=item.version, kind="deb") for item in lock.packages]
    wheels = [PackageRow(name=item.name, version=item.version, kind="wheel") for item in lock.wheels]
    return (*sorted(debs, key=lambda row: row.name), *sorted(wheels, key=lambda row: row.name))


def found_packages(image: Image) -> tuple[PackageRow, ...]:
    found = inventory(image)
    debs = [PackageRow(name=name, version=version, kind="deb") for name, version in found.debs.items()]
    wheels = [PackageRow(name=one.name, version=one.version, kind="wheel") for one in found.wheels]
    return (*sorted(debs, key=lambda row: row.name), *sorted(wheels, key=lambda row: row.name))


def not_assessed(audits: Iterable[Audited]) -> list[str]:
    return [f"{one.key}: {one.reason}" for one in audits if one.outcome is Outcome.NOT_ASSESSED]


def waiver_for(plan: Plan | ForeignPlan, key: str) -> Waiver | None:
    return next((waiver for waiver in plan.waivers if waiver.control == key), None)


def control_result(
    planned: PlannedControl,
    audited: Audited | None,
    changes: Mapping[str, tuple[str, ...]],
    live: LiveResult,
    waiver: Waiver | None,
) -> ControlResult:
    control = BY_KEY[planned.key]
    checks = live.controls.get(planned.key, ())
    audit = audited.outcome if audited else Outcome.NOT_RUN
    seen = live_outcome(live, checks)
    failed = Outcome.FAILED in (audit, seen)
    return ControlResult(
        key=planned.key,
        title=control.title,
        severity=control.severity,
        asked_by=planned.asked_by,
        changed=changes.get(planned.key, ()),
        audit=after(waiver, audit),
        findings=audited.findings if audited else (),
        live=after(waiver, seen),
        checks=checks,
        waiver=f"{waiver.reason} (until {waiver.expires})" if waiver and failed else "",
    )


def after(waiver: Waiver | None, outcome: Outcome) -> Outcome:
    """A waiver answers for a failure, and for nothing else: what was not looked at stays unknown."""
    return Outcome.WAIVED if waiver and outcome is Outcome.FAILED else outcome


def live_outcome(live: LiveResult, checks: tuple[CheckResult, ...]) -> Outcome:
    """The worst of its checks; one that was skipped takes `passed` from the others.

    Where the suites ran, a control without a check has none; where they did not, nobody knows.
    """
    if not checks:
        return Outcome.NONE if live.ran else Outcome.NOT_RUN
    found = {check.outcome for check in checks}
    return next(outcome for outcome in WORST_FIRST if outcome in found)


def json_text(report: Report) -> str:
    """The report itself, and nothing that isn't in it: it can be read back."""
    data = report.model_dump(mode="json", by_alias=True)
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
