"""Images for a CPU that this machine doesn't have: nothing is executed while one is made."""

import json
from collections import Counter
from pathlib import Path

import pytest

from builder.scans import CONTROLS
from tests.integration.images.desk import Build, Built, Desk, audits, failures

pytestmark = pytest.mark.network

MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
IMAGES = ("python", "onnx-inference")


@pytest.fixture(params=IMAGES)
def built(request: pytest.FixtureRequest, build: Build, other_platform: str) -> Built:
    return build(request.param, platform=other_platform)


def test_it_passes_its_audit_and_says_what_was_not_run(built: Built, other_platform: str) -> None:
    report = built.report
    assert failures(report) == []
    assert {one["audit"] for one in audits(report).values()} == {"passed"}
    assert {one["live"] for one in report["controls"]} == {"not run"}
    assert report["tag"] == ""
    [first, *others] = report["not-run"]
    assert first.startswith(f"live suites: the image is for {other_platform}, this machine is ")
    assert {line.partition(":")[0] for line in others} == set(CONTROLS)


def test_the_platform_stands_wherever_an_engine_looks(built: Built, other_platform: str) -> None:
    system, _, architecture = other_platform.partition("/")
    [descriptor] = json.loads((built.folder / "oci/index.json").read_text())["manifests"]
    assert descriptor["platform"] == {"os": system, "architecture": architecture}
    assert (built.image().config.platform, built.report["platform"]) == (other_platform, other_platform)


def test_every_elf_file_is_for_that_machine(built: Built, other_platform: str) -> None:
    machines = Counter(
        entry.content.facts.elf.machine
        for entry in built.image().rootfs.files()
        if entry.content is not None and entry.content.facts.elf is not None
    )
    assert set(machines) == {MACHINES[other_platform]}
    assert machines.total() > 50


def test_it_holds_the_same_packages_and_modes(build: Build, built: Built) -> None:
    """But for what is named after the machine."""
    image = built.report["image"]
    ours = build(image)
    assert [one["name"] for one in built.report["packages"]] == [
        one["name"] for one in ours.report["packages"]
    ]
    here, there = ours.image().rootfs, built.image().rootfs
    both = [path for path in here if path in there]
    assert len(both) > 0.9 * max(len(here), len(there))
    facts = {path: (here[path].kind, here[path].mode, here[path].uid, here[path].gid) for path in both}
    assert {
        path: (there[path].kind, there[path].mode, there[path].uid, there[path].gid) for path in both
    } == facts


def test_a_second_build_has_the_same_digest(
    desk: Desk, built: Built, other_platform: str, tmp_path: Path
) -> None:
    how = ("--platform", other_platform, "--locked", "--offline", "--json", "-o", tmp_path / "result")
    again = json.loads(desk.temper("build", built.report["image"], *how))
    assert again["digest"] == built.report["digest"]
