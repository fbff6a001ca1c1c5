"""A report for programs: JSON, JUnit XML and SARIF. For people there is `text`. Pure."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from builder import __version__
from builder.controls.catalogue import BY_KEY
from builder.model.report import CheckResult, ControlResult, Outcome, Report, Severity
from builder.verify.text import plain_text, printable


def json_text(report: Report) -> str:
    """The report itself, and nothing that isn't in it: it can be read back."""
    data = report.model_dump(mode="json", by_alias=True)
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


# JUnit ------------------------------------------------------------------------------------------------


def junit_text(report: Report) -> str:
    """A test case for each audit and each live test.

    The form knows passed, failed and skipped only: what is waived, not run or not assessed is skipped with
    that word, never passed. Control characters are replaced: XML 1.0 has no way to write them.
    """
    top = ElementTree.Element("testsuites", name=f"{report.image}:{report.profile}")
    cases = {
        "audit": [audit_case(control) for control in report.controls if control.audit is not Outcome.NONE],
        "live": [live_case(check, "live") for check in report.suites]
        + [live_case(check, item.key, item) for item in report.controls for check in item.checks],
    }
    if report.not_run:
        cases["not run"] = [skipped_case(reason) for reason in report.not_run]
    for name, items in cases.items():
        add_suite(top, name, items)
    ElementTree.indent(top)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(top, encoding="unicode") + "\n"


def add_suite(top: ElementTree.Element, name: str, cases: list[ElementTree.Element]) -> None:
    counts = {kind: sum(case.find(kind) is not None for case in cases) for kind in ("failure", "skipped")}
    suite = ElementTree.SubElement(
        top,
        "testsuite",
        name=name,
        tests=str(len(cases)),
        failures=str(counts["failure"]),
        errors="0",
        skipped=str(counts["skipped"]),
    )
    suite.extend(cases)


def audit_case(control: ControlResult) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname="audit", name=f"{control.key}: {control.title}")
    lines = [finding.message for finding in control.findings]
    return concluded(case, control.audit, "\n".join(lines), control)


def live_case(check: CheckResult, group: str, control: ControlResult | None = None) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=group, name=check.name, time=f"{check.seconds:.3f}")
    outcome = check.outcome
    if control is not None and control.live is Outcome.WAIVED and outcome is Outcome.FAILED:
        outcome = Outcome.WAIVED
    return concluded(case, outcome, check.message, control)


def concluded(
    case: ElementTree.Element, outcome: Outcome, text: str, control: ControlResult | None
) -> ElementTree.Element:
    text = printable(text)
    if outcome is Outcome.FAILED:
        kind = control.severity.value if control else "live"
        failure = ElementTree.SubElement(case, "failure", message=text.partition("\n")[0], type=kind)
        failure.text = text
    elif outcome is not Outcome.PASSED:
        reason = control.waiver if control and outcome is Outcome.WAIVED else text
        ElementTree.SubElement(case, "skipped", message=f"{outcome}: {reason}" if reason else str(outcome))
    return case


def skipped_case(reason: str) -> ElementTree.Element:
    name, _, why = reason.partition(": ")
    case = ElementTree.Element("testcase", classname="not run", name=printable(name))
    ElementTree.SubElement(case, "skipped", message=printable(why or reason))
    return case


# SARIF ------------------------------------------------------------------------------------------------

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
    """What was not looked at, so that an empty list of results can't be taken for a clean one."""
    return [{"level": "warning", "message": {"text": f"not run: {reason}"}} for reason in report.not_run]


def results(report: Report) -> Iterator[dict[str, Any]]:
    for number, control in enumerate(report.controls):
        for finding in control.findings:
            yield result(report, control, number, finding.message, finding.path)
        for check in control.checks:
            if check.outcome is Outcome.FAILED:
                yield result(report, control, number, f"{check.name}: {check.message}", "")
    for check in report.suites:
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
    whole = quote(report.image) if report.foreign else f"images/{report.image}/image.yaml"
    uri = quote(path) if path else whole
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}}


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": plain_text,
    "json": json_text,
    "junit": junit_text,
    "sarif": sarif_text,
}
