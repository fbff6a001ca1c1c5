"""What fails the gate, what doesn't, and why."""

import pytest

from builder.controls.gate import Standing, judge
from builder.model.scan import SCAN_DEFAULTS, Rating, ScanRun, ScanSettings, Vulnerability
from tests.unit.scan.samples import TODAY, finding, ran, scan

STRICT = SCAN_DEFAULTS.model_copy(update={"fail_on": "high", "grace_days": 7})


def standing(one: Vulnerability, settings: ScanSettings = STRICT) -> Standing:
    [judged] = judge(scan(ran("trivy", one)), settings, TODAY).findings
    return judged.standing


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, Standing.FAILS),
        ({"rating": Rating.CRITICAL}, Standing.FAILS),
        ({"rating": Rating.MEDIUM}, Standing.BELOW),
        ({"rating": Rating.NEGLIGIBLE}, Standing.BELOW),
        ({"rating": Rating.UNKNOWN}, Standing.FAILS),
        ({"fixed": ""}, Standing.UNFIXED),
        ({"fixed": "", "rating": Rating.LOW}, Standing.BELOW),
        ({"excused": "vex/a.yaml: component_not_present"}, Standing.EXCUSED),
        ({"first_seen": "2026-11-15"}, Standing.GRACE),
        ({"first_seen": "2026-11-14"}, Standing.FAILS),
        ({"fixed_since": "2026-11-20"}, Standing.GRACE),
        ({"fixed_since": "2026-11-01", "first_seen": "2026-11-22"}, Standing.FAILS),
        ({"first_seen": ""}, Standing.FAILS),
    ],
)
def test_standing(known: dict[str, str], expected: Standing) -> None:
    assert standing(finding(**known)) is expected


def test_no_grace_means_none() -> None:
    settings = STRICT.model_copy(update={"grace_days": 0})
    assert standing(finding(first_seen="2026-11-22"), settings) is Standing.FAILS


def test_without_a_fix_it_counts_where_the_profile_says_so() -> None:
    settings = STRICT.model_copy(update={"fixed_only": False})
    assert standing(finding(fixed=""), settings) is Standing.FAILS


def test_the_last_day_of_grace_is_told() -> None:
    [one] = judge(scan(ran("trivy", finding(first_seen="2026-11-20"))), STRICT, TODAY).findings
    assert one.until == "2026-11-27"


def test_two_scanners_that_say_the_same_are_one_finding_by_the_higher_rating() -> None:
    trivy = ran("trivy", finding(rating=Rating.MEDIUM, fixed=""))
    grype = ran("grype", finding(id="GHSA-x", aliases=("CVE-2026-0001",), rating=Rating.HIGH))
    [one] = judge(scan(trivy, grype), STRICT, TODAY).findings
    assert (one.id, one.rating, one.fixed, one.scanners) == (
        "CVE-2026-0001", Rating.HIGH, "2.41-13", ("trivy", "grype"),
    )  # fmt: skip


def test_one_that_links_two_joins_them() -> None:
    first, second = finding(id="GHSA-a"), finding(id="CVE-2026-0002")
    both = finding(id="GHSA-a", aliases=("CVE-2026-0002",))
    found = judge(scan(ran("trivy", first, second), ran("grype", both)), STRICT, TODAY).findings
    assert [one.id for one in found] == ["CVE-2026-0002"]


def test_another_package_or_version_is_another_finding() -> None:
    others = (finding(), finding(package="libc-bin"), finding(version="2.40-1"))
    assert len(judge(scan(ran("trivy", *others)), STRICT, TODAY).findings) == 3


def test_wheels_are_one_however_their_name_is_spelt() -> None:
    one, other = (finding(kind="wheel", package=name) for name in ("Type_Extensions", "type-extensions"))
    assert len(judge(scan(ran("trivy", one), ran("grype", other)), STRICT, TODAY).findings) == 1


def test_updates_without_a_name_are_one_for_each_package() -> None:
    pending = (finding(id=""), finding(id="", package="zlib1g"))
    assert len(judge(scan(ran("built-in", *pending)), STRICT, TODAY).findings) == 2


def test_worst_first_and_unrated_before_all() -> None:
    ratings = (Rating.LOW, Rating.CRITICAL, Rating.UNKNOWN, Rating.HIGH)
    found = [finding(id=f"CVE-2026-000{number}", rating=one) for number, one in enumerate(ratings)]
    told = judge(scan(ran("trivy", *found)), STRICT, TODAY).findings
    assert [one.rating for one in told] == [Rating.UNKNOWN, Rating.CRITICAL, Rating.HIGH, Rating.LOW]


@pytest.mark.parametrize(
    ("runs", "required", "expected"),
    [
        (
            (),
            (),
            ("no scanner was run: the profile requires none, and neither trivy nor grype is on the PATH",),
        ),
        ((ran("trivy"),), (), ()),
        ((ran("trivy"),), ("trivy",), ()),
        ((ran("trivy"),), ("trivy", "grype"), ("grype was not run, and the profile requires it",)),
        (
            (ran("trivy"), ran("grype", problem="no database")),
            ("trivy",),
            ("grype did not assess the image: no database",),
        ),
    ],
)
def test_problems(runs: tuple[ScanRun, ...], required: tuple[str, ...], expected: tuple[str, ...]) -> None:
    verdict = judge(scan(*runs), STRICT.model_copy(update={"scanners": required}), TODAY)
    assert (verdict.problems, verdict.passed) == (expected, not expected)


def test_what_a_scanner_found_that_did_not_assess_means_nothing() -> None:
    verdict = judge(scan(ran("trivy", finding(), problem="broke off")), STRICT, TODAY)
    assert verdict.findings == ()
    assert not verdict.passed
