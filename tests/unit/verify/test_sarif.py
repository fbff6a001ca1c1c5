"""SARIF 2.1.0 as its published schema has it, and what code scanning asks for besides.

`pydantic_sarif` holds the schema's types, patterns and closed objects, generated from it.
"""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from builder.controls.catalogue import CATALOGUE
from builder.model.report import CheckResult, Outcome, Report
from builder.verify.formats import sarif_text
from builder.verify.live import not_run
from tests.unit.verify.parts import Parts

FAILED = CheckResult(name="structure: no apt", outcome=Outcome.FAILED, message="it is there \x07\ud7ff")


def every_control() -> Report:
    report = Parts().report()
    first = report.controls[0]
    everything = tuple(
        first.model_copy(update={"key": control.key, "title": control.title, "severity": control.severity})
        for control in CATALOGUE
    )
    return report.model_copy(update={"controls": everything})


REPORTS: dict[str, Callable[[], Report]] = {
    "one of every fate": lambda: Parts().report(),
    "nothing waived": lambda: Parts(waivers=()).report(),
    "not run": lambda: Parts(live=not_run("no engine")).report(),
    "a failed test of no control": lambda: Parts().report().model_copy(update={"suites": (FAILED,)}),
    "every control": every_control,
}


def log(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sarif_text(report))
    return found


@pytest.mark.parametrize("name", REPORTS)
def test_it_is_what_the_published_schema_says(name: str) -> None:
    Sarif.model_validate(log(REPORTS[name]()))


def test_findings_of_a_variant_stand_in_the_image_that_it_is_a_variant_of() -> None:
    plain = Parts().report()
    varied = plain.model_copy(update={"image": "probe-jit", "variant_of": "probe"})
    assert uris(varied) == uris(plain)
    assert "images/probe/image.yaml" in uris(plain)


def uris(report: Report) -> list[str]:
    places = [place for one in log(report)["runs"][0]["results"] for place in one["locations"]]
    return [place["physicalLocation"]["artifactLocation"]["uri"] for place in places]


def without_version(data: dict[str, Any]) -> None:
    del data["version"]


def odd_level(data: dict[str, Any]) -> None:
    data["runs"][0]["results"][0]["level"] = "fatal"


def unknown_key(data: dict[str, Any]) -> None:
    data["runs"][0]["results"][0]["severity"] = "high"


def line_zero(data: dict[str, Any]) -> None:
    data["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0


def no_message(data: dict[str, Any]) -> None:
    del data["runs"][0]["results"][0]["message"]


@pytest.mark.parametrize("spoil", [without_version, odd_level, unknown_key, line_zero, no_message])
def test_the_schema_bites(spoil: Callable[[dict[str, Any]], None]) -> None:
    data = copy.deepcopy(log(Parts().report()))
    spoil(data)
    with pytest.raises(ValidationError):
        Sarif.model_validate(data)


@pytest.mark.parametrize("name", REPORTS)
def test_code_scanning_can_take_it(name: str) -> None:
    """Relative paths, a rule for each result, a score for each rule, a help text to click on."""
    [run] = log(REPORTS[name]())["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        if "ruleIndex" in result:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        else:
            assert result["ruleId"] == "live-suite"
        for place in result["locations"]:
            uri = place["physicalLocation"]["artifactLocation"]["uri"]
            assert uri
            assert not uri.startswith("/")
            assert ":" not in uri
    for rule in rules:
        assert 0.0 < float(rule["properties"]["security-severity"]) <= 10.0
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
