"""What the distribution itself says of the packages in the image, as the built-in scanner told it."""

import datetime
from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from builder.controls.frame import Context, Control, NotAssessed
from builder.controls.references import cis, nist, srg
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.scan import ScanRun, SupportLevel, Vulnerability
from builder.model.spec import Strings

BUILT_IN = "built-in"
JIT = ("binutils",)
"""Sources of limited support that `jit: true` asks for: what they read, the image's own framework wrote."""
NAMED = 3
"""Vulnerabilities that a finding names of one package; scan.json has all."""


def built_in_run(image: Image, context: Context, days: int) -> ScanRun:
    """The built-in scanner's answer on this image, by data that is no older than so many days."""
    stated = context.known_scan()
    if stated.scan is None:
        raise NotAssessed(f"{stated.file} {stated.problem}")
    if stated.scan.digest != image.digest:
        raise NotAssessed(f"{stated.file} is about another image; scan this one")
    run = next((one for one in stated.scan.runs if one.scanner == BUILT_IN), None)
    if run is None:
        raise NotAssessed("the last scan left the built-in scanner out; scan the image again")
    if not run.assessed:
        raise NotAssessed(f"the built-in scanner could not assess the image: {run.problem}")
    if (stated.today - datetime.date.fromisoformat(run.database)).days > days:
        raise NotAssessed(f"the last scan knows of updates until {run.database} only; scan the image again")
    return run


class ScanAge(Strict):
    days: int = Field(
        default=7, ge=0, description="age in days from which a scan's data is too old to say anything"
    )


class NoPendingUpdates(Control[ScanAge]):
    key = "no-pending-updates"
    title = "No package has a security update that the image lacks"
    why = (
        "A security update says to everybody what was wrong before it. From that day on, an image without it "
        "is one that is known how to attack."
    )
    remedy = (
        "take the updates (temper lock --upgrade --security-only), build and scan again; where one doesn't "
        "touch the image, say so in vex/*.yaml"
    )
    foreign_remedy = "take an image that has the updates; where one doesn't touch it, say so by VEX"
    severity = Severity.HIGH
    references = (cis("4.4"), nist("4.1.1"))
    parameters = ScanAge

    def audit(self, image: Image, parameters: ScanAge, context: Context) -> Iterable[Finding]:
        pending: dict[tuple[str, str, str], list[Vulnerability]] = defaultdict(list)
        for one in built_in_run(image, context, parameters.days).found:
            if not one.excused:
                pending[one.package, one.version, one.fixed].append(one)
        for (package, version, fixed), rows in pending.items():
            names = _some(sorted({row.id for row in rows if row.id}))
            yield Finding(message=f"package '{package}' {version} lacks the security update {fixed}{names}")


def _some(names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f", which mends {', '.join(names[:NAMED])}{more}"


class SupportParameters(ScanAge):
    limited: Literal["allow", "deny"] = Field(
        default="deny", description="whether packages pass that are supported for some uses only"
    )
    accepted: Strings = Field(
        default=(), description="source packages that a person has looked at and answers for"
    )


class SupportedPackages(Control[SupportParameters]):
    key = "supported-packages"
    title = "The distribution supports every package in the image as it supports itself"
    why = (
        "A distribution ships some packages without mending them, or for some uses only, and says so in a "
        "list that hardly anybody reads. No update will ever be pending for those."
    )
    remedy = "leave the package out, or answer for its use as the note has it: name its source in `accepted`"
    severity = Severity.MEDIUM
    references = (srg("SRG-APP-000456-CTR-001130"), nist("4.1.1"))
    parameters = SupportParameters

    def audit(self, image: Image, parameters: SupportParameters, context: Context) -> Iterable[Finding]:
        run = built_in_run(image, context, parameters.days)
        if run.support is None:
            raise NotAssessed("the last scan could not read which packages are supported less")
        accepted = {
            *parameters.accepted,
            *(JIT if context.plan is not None and context.plan.spec.jit else ()),
        }
        for one in run.support:
            limited = one.level is SupportLevel.LIMITED
            if one.source in accepted or (limited and parameters.limited == "allow"):
                continue
            when = f" {'since' if one.level is SupportLevel.ENDED else 'on'} {one.date}" if one.date else ""
            said = f"support of package '{one.package}' {one.version} ({one.source}) is {one.level}{when}"
            yield Finding(message=f"{said}: {one.note}" if one.note else said)
