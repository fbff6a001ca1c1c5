"""An update comes out: the scan tells it, the audit fails, the upgrade takes it, `diff` says what is gone."""

import dataclasses
import gzip
import json
import shutil

import pytest

from tests.integration.cli.desk import BASE, DEBS, LIB, NOW, RESULT, Desk

CHANGELOG = """\
lib (2.0+deb13u1) trixie-security; urgency=high

  * CVE-2026-1111 (reads too far)

 -- Maintainer <m@example.test>  Thu, 01 Jan 2026 09:00:00 +0000

lib (2.0) unstable; urgency=low

  * First

 -- Maintainer <m@example.test>  Mon, 01 Sep 2025 09:00:00 +0000
"""
FIXED = dataclasses.replace(
    LIB,
    version="2.0+deb13u1",
    files={**LIB.files, "usr/share/doc/lib/changelog.Debian.gz": gzip.compress(CHANGELOG.encode())},
)


def come_out(desk: Desk) -> None:
    """The archive has the update, and an hour has passed since it was asked."""
    desk.published(DEBS, date=NOW + 60)
    desk.archive.publish_suite("debian-security", "trixie-security", [FIXED], date=NOW + 60)
    shutil.rmtree(desk.store / "records/release-kept-1")


def outcome(desk: Desk) -> tuple[int, str, list[str]]:
    ran = desk.run("audit", "app", "--format", "json")
    [found] = [one for one in json.loads(ran.out)["controls"] if one["key"] == "no-pending-updates"]
    return ran.code, found["audit"], [one["message"] for one in found["findings"]]


def test_from_the_update_to_the_image_that_has_it(used: Desk) -> None:
    assert outcome(used) == (0, "not assessed", [])
    assert used.run("scan", "app").code == 0
    assert outcome(used) == (0, "passed", [])

    come_out(used)
    ran = used.run("scan", "app")
    assert ran.code == 1, ran.err
    row = "lib 2.0 2.0+deb13u1 CVE-2026-1111 unknown fixed 2026-01-01 built-in"
    assert row in [" ".join(line.split()) for line in ran.out.splitlines()]
    code, state, messages = outcome(used)
    assert (code, state) == (1, "failed")
    assert messages == ["package 'lib' 2.0 lacks the security update 2.0+deb13u1, which mends CVE-2026-1111"]

    shutil.copytree(used.work / RESULT, used.work / "before")
    assert used.run("lock", "app", "--upgrade").code == 0
    assert used.run("build", "app").code == 0
    assert used.run("scan", "app").code == 0
    assert outcome(used) == (0, "passed", [])

    told = used.run("diff", "before", "app").out.splitlines()
    assert "vulnerabilities by built-in: 0 new, 1 gone, 0 still there" in told
    assert "  -  CVE-2026-1111  deb lib  2.0  unknown  fixed in 2.0+deb13u1" in told
    data = json.loads(used.run("diff", "before", "app", "--json").out)
    assert [one["control"] for one in data["controls"]["changed"]] == [
        "vulnerability-scan",
        "no-pending-updates",
    ]
    assert [(one["from"], one["to"]) for one in data["controls"]["changed"]] == [("failed", "passed")] * 2


def test_offline_it_says_what_it_last_knew(used: Desk) -> None:
    come_out(used)
    ran = used.run("-q", "scan", "app", "--offline", "--json")
    data = json.loads(ran.out)
    assert (ran.code, data["passed"]) == (1, False)
    assert data["runs"][0]["problem"] == (
        "debian-security: dists/trixie-security/InRelease: none was fetched here yet; "
        "run once without --offline"
    )
    assert used.mirror.asked == []


@pytest.mark.parametrize("release", ["ID=alpine\nVERSION_ID=3.20\n", 'ID=debian\nVERSION_ID="14"\n'])
def test_an_image_that_no_index_speaks_of_fails_the_gate(used: Desk, release: str) -> None:
    other = dataclasses.replace(BASE, version="2.0", files={"etc/os-release": release.encode()})
    used.published([other, *DEBS[1:]], date=NOW + 60)
    assert used.run("lock", "app", "--upgrade").code == 0
    used.run("build", "app")
    ran = used.run("scan", "app", "--json")
    assert ran.code == 1
    name = "alpine 3.20" if "alpine" in release else "debian 14"
    assert json.loads(ran.out)["runs"][0]["problem"] == (
        f"the security index of '{name}' is not known, only those of debian 12 and debian 13"
    )
