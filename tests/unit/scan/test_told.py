"""What a tired engineer reads."""

from dataclasses import replace
from pathlib import Path

from builder.controls.gate import judge
from builder.model.scan import SCAN_DEFAULTS, Rating
from builder.scan.target import Scanned
from builder.scan.told import as_data, as_text
from tests.unit.controls import sound
from tests.unit.scan.samples import DIGEST, TODAY, finding, ran, scan

SETTINGS = SCAN_DEFAULTS.model_copy(update={"fail_on": "high", "grace_days": 7, "scanners": ("grype",)})


def scanned(*runs: object) -> Scanned:
    found = scan(*runs)  # type: ignore[arg-type]
    return Scanned(
        scan=found,
        plan=replace(sound.plan(), scan=SETTINGS, profile="hardened"),
        platform="linux/amd64",
        verdict=judge(found, SETTINGS, TODAY),
        path=Path("build/sample/scan.json"),
    )


TRIVY = ran(
    "trivy",
    finding(),
    finding(id="CVE-2026-0002", rating=Rating.LOW),
    finding(id="CVE-2026-0003", fixed=""),
    finding(id="CVE-2026-0004", fixed_since="2026-11-20"),
    finding(id="CVE-2026-0005", rating=Rating.CRITICAL, excused="vex/a.yaml: component_not_present"),
    database="2026-11-21",
    limits=("what 2 findings are that it left out by rules of its own",),
)
BUILT_IN = ran("built-in", finding(id="", rating=Rating.UNKNOWN, fixed_since="2026-10-01"))
FAILED = f"""\
image   sample, profile hardened, linux/amd64
digest  {DIGEST}
scanners
  built-in  1.2.3  1 finding in 5 packages
  trivy     1.2.3  5 findings in 5 packages, data of 2026-11-21
  grype     1.2.3  not assessed: no database
  trivy can't tell: what 2 findings are that it left out by rules of its own

fails (2)
  package  installed  fixed in  vulnerability    rating   open              scanner
  libc6    2.41-12    2.41-13   security update  unknown  fixed 2026-10-01  built-in
  libc6    2.41-12    2.41-13   CVE-2026-0001    high     seen 2026-11-01   trivy

fails once its grace is over (1)
  package  installed  fixed in  vulnerability  rating  open                    scanner
  libc6    2.41-12    2.41-13   CVE-2026-0004  high    grace until 2026-11-27  trivy

not counted
  1  rated below high
  1  without a fix

excused by VEX (1)
  libc6  CVE-2026-0005  critical  vex/a.yaml: component_not_present

sample fails the scan gate of profile hardened: 2 findings, not assessed
  - grype did not assess the image: no database

written to build/sample/scan.json"""
PASSED = f"""\
image   sample, profile hardened, linux/amd64
digest  {DIGEST}
scanners
  grype  1.2.3  0 findings in 5 packages

sample passes the scan gate of profile hardened

written to build/sample/scan.json"""


def test_one_that_fails() -> None:
    assert as_text(scanned(BUILT_IN, TRIVY, ran("grype", problem="no database"))) == FAILED


def test_one_that_passes() -> None:
    assert as_text(scanned(ran("grype"))) == PASSED


def test_many_findings_are_cut_for_people_and_not_for_programs() -> None:
    many = [finding(id=f"CVE-2026-1{number:03}") for number in range(50)]
    done = scanned(ran("grype", *many))
    assert "  and 10 more: see scan.json, or --json\n" in as_text(done)
    assert len(as_data(done)["findings"]) == 50


def test_data() -> None:
    data = as_data(scanned(ran("grype", finding())))
    assert (data["passed"], data["problems"], data["digest"]) == (False, [], DIGEST)
    assert data["findings"] == [
        {
            "excused": "",
            "fixed": "2.41-13",
            "id": "CVE-2026-0001",
            "kind": "deb",
            "package": "libc6",
            "rating": "high",
            "scanners": ["grype"],
            "since": "2026-11-01",
            "standing": "fails",
            "until": "",
            "version": "2.41-12",
        }
    ]
