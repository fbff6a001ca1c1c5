"""What nobody looked at is not assessed; it is neither passed nor failed."""

import pytest

from builder.controls.audit import audit_one
from builder.controls.frame import Context
from builder.model.report import Outcome
from builder.scans import CONTROLS
from tests.unit.controls.mutants.scanned import asking, found, ran
from tests.unit.controls.sound import image, plan, planned, scan


@pytest.mark.parametrize("key", CONTROLS)
def test_without_a_scan_nothing_is_said(key: str) -> None:
    told = audit_one(image(), planned(key), Context(plan=plan()))
    assert (told.outcome, told.reason) == (
        Outcome.NOT_ASSESSED,
        "nobody scanned this image; run `temper scan`",
    )


def test_a_scanner_that_could_not_tell() -> None:
    context = Context(plan=plan(), scan=ran(problem="no database")(scan()))
    told = audit_one(image(), planned("vulnerability-scan"), context)
    assert (told.outcome, told.reason) == (
        Outcome.NOT_ASSESSED,
        "trivy did not assess the image: no database",
    )


def test_a_required_scanner_that_was_not_run() -> None:
    context = Context(plan=asking(scanners=("grype",))(plan()), scan=scan())
    told = audit_one(image(), planned("vulnerability-scan"), context)
    assert (told.outcome, told.reason) == (
        Outcome.NOT_ASSESSED,
        "grype was not run, and the profile requires it",
    )


def test_what_one_scanner_found_fails_though_another_could_not_tell() -> None:
    stated = found(excused="", first_seen="2026-01-01")(scan())
    context = Context(plan=asking(scanners=("grype", "trivy"))(plan()), scan=stated)
    assert audit_one(image(), planned("vulnerability-scan"), context).outcome is Outcome.FAILED
