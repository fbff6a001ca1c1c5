"""A report as JUnit XML, which every CI server shows."""

from xml.etree import ElementTree

from builder.model.report import CheckResult, ControlResult, Outcome, Report
from builder.verify.text import printable


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
    if report.gpu:
        cases["gpu"] = [live_case(check, "gpu") for check in report.gpu]
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
