"""The images as they ship: every control holds, in the files and in a running container."""

import json

import pytest

from builder.config.workspace import Workspace
from builder.image.engine import Engine
from builder.model.report import Report
from builder.scans import CONTROLS
from tests.integration.images.desk import Build, Desk, audits, failures, live_checks

pytestmark = pytest.mark.network

IMAGES = ("python", "onnx-inference", "cuda-runtime", "cuda-runtime-12", "notebook")


@pytest.mark.parametrize("image", IMAGES)
def test_every_control_passes_its_audit(build: Build, image: str) -> None:
    report = build(image).report
    assert {one["key"]: one["findings"] for one in audits(report).values() if one["audit"] != "passed"} == {}
    assert len(report["controls"]) >= 33
    assert report["switched-off"] == []


@pytest.mark.docker
@pytest.mark.parametrize("image", IMAGES)
def test_no_live_check_fails(engine: Engine, build: Build, image: str) -> None:
    report = build(image).report
    assert failures(report) == []
    assert sum(check["outcome"] == "passed" for check in live_checks(report)) >= 60
    assert report["tag"] == f"temper/{image}:hardened"


@pytest.mark.docker
def test_of_a_server_only_what_this_machine_lacks_is_not_run(engine: Engine, build: Build) -> None:
    report = build("onnx-inference").report
    assert {one["live"] for one in report["controls"] if not one["checks"]} <= {"none"}
    left_out = [one["message"] for one in live_checks(report) if one["outcome"] == "not run"]
    machine = ("this kernel", "this host", "cgroup", "engine")
    told = [line for line in report["not-run"] if line.partition(":")[0] not in CONTROLS]
    lines = (*told, *left_out)
    assert [line for line in lines if not any(word in line for word in machine)] == []


@pytest.mark.docker
@pytest.mark.parametrize("image", IMAGES)
def test_the_image_s_own_tests_ran(engine: Engine, desk: Desk, build: Build, image: str) -> None:
    [suite] = (Workspace.here(desk.folder).image(image).folder / "tests").glob("test_*.py")
    name = suite.stem.removeprefix("test_")
    assert [check for check in live_checks(build(image).report) if check["name"].startswith(f"{name}: ")]


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_printed_is_what_is_written_and_can_be_read_back(build: Build, image: str) -> None:
    built = build(image)
    assert json.loads(built.printed) == built.report
    assert Report.model_validate_json(built.printed).passed


@pytest.mark.parametrize("image", IMAGES)
def test_an_audit_of_the_finished_image_says_the_same(desk: Desk, build: Build, image: str) -> None:
    built = build(image).report
    audited = json.loads(desk.temper("audit", image, "--format", "json"))
    facts = ("key", "audit", "changed", "findings", "asked-by")
    ours, theirs = ([{name: one[name] for name in facts} for one in r["controls"]] for r in (built, audited))
    assert theirs == ours
    assert any(one["changed"] for one in theirs)
    same = ("digest", "size", "unpacked", "files", "packages", "created", "platform")
    assert {name: audited[name] for name in same} == {name: built[name] for name in same}
