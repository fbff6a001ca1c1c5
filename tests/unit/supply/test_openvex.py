"""OpenVEX documents: whole, deterministic, and honest about what holds no more."""

import datetime
import json
from typing import Any

from builder import __version__
from builder.model.vex import Issued
from builder.supply.openvex import document
from tests.unit.scan.samples import DIGEST, TODAY
from tests.unit.scan.test_excuse import issued

PURLS = [("libc6", "pkg:deb/debian/libc6@2.41-12"), ("demo", "pkg:pypi/demo@1.0")]


def written(*statements: Issued) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document(statements, "sample", DIGEST, PURLS, TODAY))
    return found


def test_document() -> None:
    found = written(issued())
    assert found.pop("@id").startswith("urn:temper:vex:")
    assert found == {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "author": "me",
        "timestamp": "2026-11-01T00:00:00Z",
        "tooling": f"temper {__version__}",
        "version": 1,
        "statements": [
            {
                "impact_statement": "so it is",
                "justification": "vulnerable_code_not_present",
                "products": [
                    {
                        "@id": f"pkg:oci/sample@sha256%3A{'a' * 64}",
                        "subcomponents": [{"@id": "pkg:deb/debian/libc6@2.41-12"}],
                    }
                ],
                "status": "not_affected",
                "timestamp": "2026-11-01T00:00:00Z",
                "vulnerability": {"name": "CVE-2026-0001"},
            }
        ],
    }


def test_the_order_of_statements_changes_nothing_but_the_authors() -> None:
    one, other = issued(), issued(vulnerability="CVE-2025-0002", packages=("Demo", "libc6"))
    first, second = (document(rows, "sample", DIGEST, PURLS, TODAY) for rows in ((one, other), (other, one)))
    assert first == second


def test_other_statements_have_another_name() -> None:
    assert written(issued())["@id"] != written(issued(statement="otherwise"))["@id"]


def test_affected_says_what_to_do() -> None:
    [one] = written(issued(status="affected", justification=None, action="update"))["statements"]
    assert (one["status"], one["action_statement"], one["status_notes"]) == ("affected", "update", "so it is")
    assert "justification" not in one


def test_one_that_expired_is_taken_back_on_the_day_after() -> None:
    [one] = written(issued(expires=datetime.date(2026, 11, 10)))["statements"]
    assert (one["status"], one["timestamp"], one["status_notes"]) == (
        "under_investigation",
        "2026-11-11T00:00:00Z",
        "'not_affected' of 2026-11-01 expired on 2026-11-10",
    )


def test_one_that_was_revoked_is_taken_back_on_that_day() -> None:
    revoked = {"date": datetime.date(2026, 11, 20), "reason": "wrong"}
    [one] = written(issued(revoked=revoked))["statements"]
    assert (one["status"], one["timestamp"]) == ("under_investigation", "2026-11-20T00:00:00Z")


def test_of_packages_that_are_not_there_nothing_is_said() -> None:
    assert document([issued(packages=("zlib1g",))], "sample", DIGEST, PURLS, TODAY) == b""
    [one] = written(issued(packages=("zlib1g", "libc6")))["statements"]
    assert [part["@id"] for part in one["products"][0]["subcomponents"]] == ["pkg:deb/debian/libc6@2.41-12"]
