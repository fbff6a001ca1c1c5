"""Somebody looked for known vulnerabilities, by programs that can be trusted, and nothing was swept away."""

import datetime
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from builder.controls.frame import Context, Control, NoParameters, NotAssessed
from builder.controls.references import cis, ghsa, nist, openvex, srg
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.scan import SCAN_DEFAULTS, Scan, ScanRun, ScanSettings, Vulnerability
from builder.model.tools import refusal

if TYPE_CHECKING:
    from builder.controls.gate import Merged


def settings(context: Context) -> ScanSettings:
    return context.plan.scan if context.plan is not None else SCAN_DEFAULTS


class ScanParameters(Strict):
    max_age_days: int = Field(default=7, ge=0, le=366, description="days that a scan counts for")


class VulnerabilityScan(Control[ScanParameters]):
    key = "vulnerability-scan"
    title = "The image was scanned of late, and nothing that was found fails the profile's gate"
    why = (
        "Most attacks use a vulnerability that was known and fixed for weeks. An image that was clean when "
        "it was built is not clean for long, and one that nobody could assess is not clean at all."
    )
    remedy = (
        "move to the fixed packages with `temper lock --upgrade`, build and scan again; where a finding "
        "doesn't touch the image, say so in vex/*.yaml"
    )
    foreign_remedy = "take a newer image from its makers; where a finding doesn't touch it, say so by VEX"
    severity = Severity.HIGH
    references = (
        cis("4.4"),
        nist("4.1.1"),
        srg("SRG-APP-000516-CTR-001335"),
        srg("SRG-APP-000456-CTR-001125"),
    )
    parameters = ScanParameters

    def audit(self, image: Image, parameters: ScanParameters, context: Context) -> Iterable[Finding]:
        stated = context.known_scan()
        if stated.scan is None:
            yield Finding(message=f"{stated.file} {stated.problem}")
        elif stated.scan.digest != image.digest:
            yield Finding(message=f"{stated.file} is about another image, {stated.scan.digest}")
        else:
            yield from self._old(stated.scan, parameters.max_age_days, stated.today)
            yield from self._failing(stated.scan, settings(context), stated.today)

    def _old(self, scan: Scan, allowed: int, today: datetime.date) -> Iterator[Finding]:
        age = (today - datetime.date.fromisoformat(scan.date)).days
        if age > allowed:
            yield Finding(
                message=f"the last scan is of {scan.date}, {age} days old, and {allowed} are allowed"
            )

    def _failing(self, scan: Scan, settings: ScanSettings, today: datetime.date) -> Iterator[Finding]:
        from builder.controls.gate import judge  # noqa: PLC0415 - most builds have no scan beside them

        verdict = judge(scan, settings, today)
        for one in verdict.failing:
            yield Finding(message=told(one))
        if verdict.problems and not verdict.failing:  # nothing is known to be wrong, and nothing to be right
            raise NotAssessed("; ".join(verdict.problems))


def told(one: "Merged") -> str:
    first = one.first
    name = one.id or "a security update that is pending"
    fix = f"fixed in {one.fixed}" if one.fixed else "no fix"
    return f"{first.kind} {first.package} {first.version}: {name}, rated {one.rating.value}, {fix}"


class VexOnly(Control[NoParameters]):
    key = "vex-only"
    title = "A finding is excused by a VEX statement that holds today, and by nothing else"
    why = (
        "A list of ignored names has no reason, no author and no end: what was harmless in one image stays "
        "silent in all of them, for years."
    )
    remedy = "write the reason in vex/*.yaml with a date on which it expires, and scan again"
    foreign_remedy = "scan it again, with a statement in vex/*.yaml for what doesn't touch it"
    severity = Severity.MEDIUM
    references = (openvex("status justifications"),)

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        stated = context.known_scan()
        for run in stated.scan.runs if stated.scan is not None else ():
            for one in run.found:
                if one.excused and not any(
                    issued.label == one.excused
                    and issued.statement.excuses(one)
                    and not issued.statement.why_not(stated.today)
                    for issued in stated.issued
                ):
                    yield Finding(message=f"{run.scanner}: {self._told(one)}")

    def _told(self, one: Vulnerability) -> str:
        return f"{one.id} of {one.package} is excused by '{one.excused}', and no such statement holds today"


class KnownScanners(Control[NoParameters]):
    key = "known-scanners"
    title = "The scanners are releases that may be trusted, known by version and hash"
    why = (
        "A scanner reads every image and often holds a registry's credentials. In March 2026 attackers "
        "published a release of trivy: who had recorded neither version nor hash could not tell if it ran."
    )
    remedy = "install another release, pin its hash in the profile (`scan: {pins: ...}`), and scan again"
    severity = Severity.CRITICAL
    references = (ghsa("GHSA-69fq-xp46-6x23"), srg("SRG-APP-000131-CTR-000280"))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        stated = context.known_scan()
        for run in stated.scan.runs if stated.scan is not None else ():
            if run.scanner != "built-in" and run.assessed:
                yield from self._faults(run, settings(context))

    def _faults(self, run: ScanRun, settings: ScanSettings) -> Iterator[Finding]:
        if not run.version or not run.sha256:
            yield Finding(message=f"{run.scanner}: its version and its hash were not recorded")
            return
        if reason := refusal(run.scanner, run.version):
            yield Finding(message=f"{run.scanner} {run.version} was run: {reason}")
        pins = next((known for name, known in (settings.pins or {}).items() if name == run.scanner), ())
        if pins and run.sha256 not in pins:
            message = (
                f"{run.scanner} {run.version} has SHA-256 {run.sha256}, which the profile's pins don't name"
            )
            yield Finding(message=message)
