import json
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from builder.controls.audit import Audited
from builder.model.report import Finding, Outcome, Report
from builder.verify.formats import FORMATS, json_text, junit_text, sarif_text
from builder.verify.live import LiveResult, not_run
from builder.verify.text import plain_text
from tests.unit.verify.parts import AUDITS, CASES, GOLDEN, Parts, check


@pytest.mark.parametrize("form", GOLDEN)
def test_a_report_with_one_control_of_every_fate(report: Report, form: str) -> None:
    assert FORMATS[form](report) == (CASES / GOLDEN[form]).read_text(encoding="utf-8")


def test_json_ends_with_a_newline_and_is_sorted(report: Report) -> None:
    text = json_text(report)
    assert text.endswith("}\n")
    assert list(json.loads(text)) == sorted(json.loads(text))


# Text -------------------------------------------------------------------------------------------------


SOUND = tuple(Audited(key=key, outcome=Outcome.PASSED) for key in Parts().keys)
SEEN = LiveResult(controls={key: (check("x"),) for key in Parts().keys}, suites=(check("y"),))


def last_line(parts: Parts) -> str:
    return plain_text(parts.report()).splitlines()[-1]


def test_what_was_checked_in_full_passes() -> None:
    assert (
        last_line(Parts(audits=SOUND, live=SEEN)) == "probe passes profile hardened: 6 of 6 controls passed"
    )


def test_what_was_not_run_limits_the_verdict() -> None:
    assert last_line(Parts(audits=SOUND, live=not_run("no engine"))) == (
        "probe passes profile hardened, as far as it was checked: 6 of 6 controls passed"
    )


def test_what_was_not_assessed_limits_the_verdict() -> None:
    unknown = (*SOUND[:5], AUDITS[5])
    assert last_line(Parts(audits=unknown, live=SEEN)) == (
        "probe passes profile hardened, as far as it was checked: 5 of 6 controls passed, 1 not assessed"
    )


def test_nothing_looked_at_passes_nothing() -> None:
    assert last_line(Parts(audits=(), live=not_run("no engine"))) == (
        "probe passes profile hardened, as far as it was checked: 0 of 6 controls passed, 6 not run"
    )


def test_a_failed_live_test_fails_the_image() -> None:
    broken = LiveResult(suites=(check("y", Outcome.FAILED),))
    assert last_line(Parts(audits=SOUND, live=broken)) == (
        "probe FAILS profile hardened: 0 of 6 controls and 1 live test failed"
    )


def test_not_run_never_reads_as_passed() -> None:
    text = plain_text(Parts(audits=(), live=not_run("no engine")).report())
    rows = [line for line in text.splitlines() if line.startswith(Parts().keys)]
    assert len(rows) == 6
    assert all("passed" not in row and row.count("not run") == 2 for row in rows)


def test_an_image_without_packages_and_tag() -> None:
    report = Parts(tag="").report().model_copy(update={"packages": ()})
    text = plain_text(report)
    assert "\ntag       none: its live tests fail\n" in text
    assert "\npackages  none\n" in text
    unseen = plain_text(Parts(tag="", live=not_run("no engine")).report())
    assert "\ntag       none: not loaded into an engine\n" in unseen


def test_many_findings_are_cut_and_counted() -> None:
    found = tuple(Finding(message=f"file {number} is bad") for number in range(30))
    audits = (Audited(key="no-setuid", outcome=Outcome.FAILED, findings=found),)
    text = plain_text(Parts(audits=audits, keys=("no-setuid",), live=not_run("x")).report())
    assert "  - file 7 is bad\n  and 22 more; report.json has them all\n" in text
    assert "file 8" not in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("removed a",), "1 change"),
        (("removed a", "removed b"), "2 changes"),
        (("removed a", "removed b", "and 1200 more"), "1,202 changes"),
    ],
)
def test_changes_are_counted_with_those_that_are_not_named(changed: tuple[str, ...], said: str) -> None:
    parts = Parts(keys=("no-setuid",), changes={"no-setuid": changed})
    assert f"no-setuid  high      {said}  " in plain_text(parts.report())


def test_no_line_is_wider_than_a_terminal(report: Report) -> None:
    assert [line for line in plain_text(report).splitlines() if len(line) > 100] == []


def test_escape_sequences_of_an_image_do_not_reach_the_terminal() -> None:
    live = LiveResult(suites=(check("x", Outcome.FAILED, "\x1b[2J\x1b]0;title\x07 gone\u202e"),))
    text = plain_text(Parts(live=live).report())
    assert not [sign for sign in text if not (sign.isprintable() or sign == "\n")]


GPU_ROWS = (
    check("rehearsal: the loader finds the host's driver", Outcome.PASSED, "/usr/lib/libcuda.so.1"),
    check("rehearsal: the image's user may open every node", Outcome.FAILED, "no-permission: shut; open it"),
    check("rehearsal: a real GPU", Outcome.NOT_RUN, "the stub driver computes nothing"),
)


def test_every_form_says_of_each_row_that_it_was_rehearsed() -> None:
    report = Parts(audits=SOUND, live=LiveResult(gpu=GPU_ROWS)).report()
    for form, write in FORMATS.items():
        text = write(report).replace("&quot;", '"').replace("&apos;", "'")
        assert [row.name for row in GPU_ROWS if row.name not in text] == [], form
    assert [one["name"] for one in json.loads(json_text(report))["gpu"]] == [row.name for row in GPU_ROWS]


def test_a_failed_row_of_a_gpu_fails_the_image_and_one_that_was_not_run_limits_the_verdict() -> None:
    assert last_line(Parts(audits=SOUND, live=LiveResult(gpu=GPU_ROWS))) == (
        "probe FAILS profile hardened: 0 of 6 controls and 1 live test failed"
    )
    rest = replace(SEEN, gpu=(GPU_ROWS[0], GPU_ROWS[2]))
    assert last_line(Parts(audits=SOUND, live=rest)) == (
        "probe passes profile hardened, as far as it was checked: 6 of 6 controls passed"
    )


def test_rows_of_a_gpu_stand_in_the_text_a_line_each() -> None:
    text = plain_text(Parts(audits=SOUND, live=LiveResult(gpu=GPU_ROWS)).report())
    assert [line for line in text.splitlines() if "rehearsal: " in line and not line.startswith(" ")] == [
        "passed   rehearsal: the loader finds the host's driver: /usr/lib/libcuda.so.1",
        "FAILED   rehearsal: the image's user may open every node: no-permission: shut; open it",
        "not run  rehearsal: a real GPU: the stub driver computes nothing",
    ]


# JUnit ------------------------------------------------------------------------------------------------


def test_the_counts_of_junit_are_those_of_its_cases(report: Report) -> None:
    for suite in ElementTree.fromstring(junit_text(report)):  # noqa: S314 - our own
        cases = suite.findall("testcase")
        assert suite.get("tests") == str(len(cases))
        assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
        assert suite.get("skipped") == str(len(suite.findall("testcase/skipped")))


def test_junit_shows_only_what_passed_as_passed() -> None:
    top = ElementTree.fromstring(junit_text(Parts(audits=(), live=not_run("no engine")).report()))  # noqa: S314
    assert [case.get("name") for case in top.iter("testcase") if len(case) == 0] == []


# SARIF ------------------------------------------------------------------------------------------------


def run_of(parts: Parts) -> dict[str, Any]:
    [run] = json.loads(sarif_text(parts.report()))["runs"]
    return dict(run)


def test_a_result_points_at_its_rule() -> None:
    run = run_of(Parts())
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        if "ruleIndex" in result:
            assert rules[result["ruleIndex"]] == result["ruleId"]


def test_a_path_is_a_uri() -> None:
    [first, *_] = run_of(Parts())["results"]
    assert first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "usr/bin/da%20sh"


def test_a_waived_finding_is_suppressed_with_its_reason() -> None:
    waived = [result for result in run_of(Parts())["results"] if result["ruleId"] == "healthcheck"]
    assert [result["suppressions"][0]["justification"] for result in waived] == [
        "batch job (until 2027-03-31)"
    ] * 2


def test_what_was_not_run_stands_beside_an_empty_list_of_results() -> None:
    run = run_of(Parts(audits=SOUND, live=not_run("no engine")))
    assert run["results"] == []
    [notification] = run["invocations"][0]["toolExecutionNotifications"]
    assert notification == {"level": "warning", "message": {"text": "not run: live suites: no engine"}}
