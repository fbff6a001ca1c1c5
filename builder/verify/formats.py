"""A report for programs: JSON, JUnit XML and SARIF. For people there is `text`. Pure."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from builder import __version__
from builder.controls.catalogue import BY_KEY
from builder.model.report import ControlResult, Outcome, Report, Severity
from builder.verify.report import json_text
from builder.verify.text import plain_text

LEVELS = {
    Severity.LOW: "note",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
}
SCORES = {Severity.LOW: "3.0", Severity.MEDIUM: "5.5", Severity.HIGH: "8.0", Severity.CRITICAL: "9.5"}
"""GitHub sorts alerts by `security-severity`, on the scale of CVSS."""


def sarif_text(report: Report) -> str:
    """SARIF 2.1.0: a result for each finding and each failed live test; waived ones carry a suppression."""
    run = {
        "tool": {
            "driver": {
                "name": "temper",
                "version": __version__,
                "rules": [rule(one, report) for one in report.controls],
            }
        },
        "automationDetails": {"id": f"temper/{report.image}/{report.profile}/{report.platform}/"},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notifications(report)}],
        "results": [*results(report)],
        "properties": {"image": report.tag or report.image, "digest": report.digest, "passed": report.passed},
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def rule(result: ControlResult, report: Report) -> dict[str, Any]:
    control = BY_KEY[result.key]
    return {
        "id": result.key,
        "shortDescription": {"text": result.title},
        "fullDescription": {"text": control.why},
        "help": {"text": control.remedy_for(foreign=report.foreign)},
        "defaultConfiguration": {"level": LEVELS[result.severity]},
        "properties": {
            "tags": ["security", *map(str, control.references)],
            "security-severity": SCORES[result.severity],
        },
    }


def notifications(report: Report) -> list[dict[str, Any]]:
    """What was not looked at, so that an empty list of results can't be taken for a clean one; and what was
    rehearsed only."""
    found = [("warning", f"not run: {reason}") for reason in report.not_run]
    for check in (one for one in report.gpu if one.outcome is not Outcome.FAILED):
        level = "note" if check.outcome is Outcome.PASSED else "warning"
        found.append((level, f"{check.name}: {check.outcome}{f': {check.message}' if check.message else ''}"))
    return [{"level": level, "message": {"text": text}} for level, text in found]


def results(report: Report) -> Iterator[dict[str, Any]]:
    for number, control in enumerate(report.controls):
        for finding in control.findings:
            yield result(report, control, number, finding.message, finding.path)
        for check in control.checks:
            if check.outcome is Outcome.FAILED:
                yield result(report, control, number, f"{check.name}: {check.message}", "")
    for check in report.free:
        if check.outcome is Outcome.FAILED:
            yield {
                "ruleId": "live-suite",
                "level": "error",
                "message": {"text": f"{check.name}: {check.message}"},
                "locations": [location(report, "")],
            }


def result(report: Report, control: ControlResult, number: int, text: str, path: str) -> dict[str, Any]:
    found = {
        "ruleId": control.key,
        "ruleIndex": number,
        "level": LEVELS[control.severity],
        "message": {"text": text},
        "locations": [location(report, path)],
    }
    if control.waiver:
        found["suppressions"] = [{"kind": "external", "justification": control.waiver}]
    return found


def location(report: Report, path: str) -> dict[str, Any]:
    """The path inside the image; of the image as a whole, what it was made of, where that is ours."""
    described = report.variant_of or report.image
    whole = quote(report.image) if report.foreign else f"images/{described}/image.yaml"
    uri = quote(path) if path else whole
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}}


def junit_text(report: Report) -> str:
    from builder.verify import junit  # noqa: PLC0415 - XML takes long to import, and few ask for it

    return junit.junit_text(report)


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": plain_text,
    "json": json_text,
    "junit": junit_text,
    "sarif": sarif_text,
}
