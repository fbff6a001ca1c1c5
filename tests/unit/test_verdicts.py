"""temper diff: how controls stand in two images, and which vulnerabilities came and went."""

import json
from pathlib import Path
from typing import Any

import pytest

from builder.model.report import ControlResult, Outcome, Report, Severity
from builder.model.scan import Scan, ScanRun, Vulnerability
from builder.verdicts import (
    NOTHING,
    SHOWN,
    Told,
    control_lines,
    controls,
    told,
    vulnerabilities,
    vulnerability_lines,
)

NAMES = ("a (hardened)", "b (hardened)")
DIGEST = "sha256:12"


def report(**outcomes: Outcome) -> Report:
    rows = tuple(
        ControlResult(
            key=key.replace("_", "-"), title="x", severity=Severity.HIGH, asked_by="hardened",
            audit=outcome, live=Outcome.NONE,
        )
        for key, outcome in outcomes.items()
    )  # fmt: skip
    return Report(
        image="a", profile="hardened", platform="linux/amd64", digest=DIGEST, created="", size=0, unpacked=0,
        layers=1, files=1, packages=(), controls=rows,
    )  # fmt: skip


def found(name: str, package: str = "libc6", **known: Any) -> Vulnerability:
    return Vulnerability(id=name, package=package, version="1.0", kind="deb", fixed="1.1", **known)


def run(scanner: Any, *rows: Vulnerability, problem: str = "") -> ScanRun:
    return ScanRun(scanner=scanner, version="1", found=rows, problem=problem, packages=1)


def scan(*runs: ScanRun) -> Told:
    return Told(scan=Scan(image="a", digest=DIGEST, time="2026-11-22T00:00:00Z", runs=runs))


def test_controls_whose_outcome_changed() -> None:
    old = Told(report=report(no_shell=Outcome.PASSED, no_setuid=Outcome.PASSED, gone=Outcome.PASSED))
    new = Told(report=report(no_shell=Outcome.FAILED, no_setuid=Outcome.PASSED, seccomp=Outcome.NOT_ASSESSED))
    data = controls(old, new, NAMES)
    assert data == {
        "why": "",
        "changed": [
            {"control": "no-shell", "from": "passed", "to": "failed"},
            {"control": "gone", "from": "passed", "to": ""},
            {"control": "seccomp", "from": "", "to": "not assessed"},
        ],
    }
    assert "\n".join(control_lines(data)) == (
        "controls\n"
        "  no-shell  passed         ->  FAILED\n"
        "  gone      passed         ->  not asked for\n"
        "  seccomp   not asked for  ->  not assessed"
    )


def test_no_control_changed() -> None:
    both = Told(report=report(no_shell=Outcome.PASSED))
    assert list(control_lines(controls(both, both, NAMES))) == []


def test_without_reports_nothing_is_claimed() -> None:
    data = controls(NOTHING, Told(report=report()), NAMES)
    assert list(control_lines(data)) == ["controls: not compared, no report is beside a (hardened)"]


def test_vulnerabilities_that_came_went_and_stayed() -> None:
    old = scan(run("built-in", found("CVE-2026-1"), found("CVE-2026-2"), found("CVE-2026-4")))
    new = scan(
        run(
            "built-in",
            found("CVE-2026-2"),
            found("", package="curl"),
            found("CVE-2026-4", excused="vex/a.yaml:1"),
        )
    )
    data = vulnerabilities(old, new, NAMES)
    assert (data["why"], data["scanners"]) == ("", ["built-in"])
    assert [[row["id"] for row in data[kind]] for kind in ("new", "gone", "still")] == [
        [""],
        ["CVE-2026-1", "CVE-2026-4"],
        ["CVE-2026-2"],
    ]
    assert "\n".join(vulnerability_lines(data)) == (
        "vulnerabilities by built-in: 1 new, 2 gone, 1 still there\n"
        "  +  security update  deb curl   1.0  unknown  fixed in 1.1\n"
        "  -  CVE-2026-1       deb libc6  1.0  unknown  fixed in 1.1\n"
        "  -  CVE-2026-4       deb libc6  1.0  unknown  excused by vex/a.yaml:1"
    )


def test_only_scanners_that_assessed_both_are_compared() -> None:
    old = scan(run("built-in", found("CVE-2026-1")), run("trivy", found("CVE-2026-2")))
    new = scan(run("built-in", found("CVE-2026-1")), run("trivy", problem="no database"))
    data = vulnerabilities(old, new, NAMES)
    assert (data["scanners"], data["gone"], len(data["still"])) == (["built-in"], [], 1)
    lonely = vulnerabilities(scan(run("trivy", found("CVE-2026-2"))), new, NAMES)
    assert list(vulnerability_lines(lonely)) == [
        "vulnerabilities: not compared, no scanner has assessed both"
    ]


def test_without_scans_nothing_is_claimed() -> None:
    assert list(vulnerability_lines(vulnerabilities(NOTHING, NOTHING, NAMES))) == [
        "vulnerabilities: not compared, no scan is beside a (hardened) and b (hardened); run `temper scan`"
    ]


def test_a_long_list_is_cut_for_people_only() -> None:
    rows = [found(f"CVE-2026-{number:04}") for number in range(SHOWN + 2)]
    data = vulnerabilities(scan(run("built-in")), scan(run("built-in", *rows)), NAMES)
    assert len(data["new"]) == SHOWN + 2
    assert "and 2 more; --json has them all" in "\n".join(vulnerability_lines(data))


@pytest.mark.parametrize("folder", ["", "oci"])
def test_what_stands_beside_a_layout(tmp_path: Path, folder: str) -> None:
    (tmp_path / "oci").mkdir()
    (tmp_path / "report.json").write_text(report(no_shell=Outcome.PASSED).model_dump_json(by_alias=True))
    known = scan(run("built-in"))
    assert known.scan is not None
    (tmp_path / "scan.json").write_text(known.scan.model_dump_json(by_alias=True))
    assert told(tmp_path / folder, DIGEST) == Told(report=report(no_shell=Outcome.PASSED), scan=known.scan)
    assert told(tmp_path / folder, "sha256:other") == NOTHING


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"digest": DIGEST})])
def test_broken_files_count_as_missing(tmp_path: Path, text: str) -> None:
    for name in ("report.json", "scan.json"):
        (tmp_path / name).write_text(text)
    assert told(tmp_path, DIGEST) == NOTHING


def test_beside_an_archive_or_an_image_of_the_engine_stands_nothing(tmp_path: Path) -> None:
    assert told(tmp_path / "app.tar", DIGEST) == told(None, DIGEST) == NOTHING
