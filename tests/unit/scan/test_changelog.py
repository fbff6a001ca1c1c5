"""Debian changelogs: which entries are newer, and which vulnerabilities they name."""

from builder.scan.changelog import LONGEST_TITLE, Fix, out_since, parse_changelog, since

TEXT = """\
openssl (3.5.4-1~deb13u2) trixie-security; urgency=high

  * CVE-2026-1111 (a read past the end
    of a buffer), CVE-2026-2222
  * Regression of CVE-2026-1111

 -- Maintainer <m@example.test>  Fri, 20 Nov 2026 09:00:00 +0100

openssl (3.5.4-1~deb13u1) trixie; urgency=medium

  * Upload to trixie

 -- Maintainer <m@example.test>  Sun, 01 Nov 2026 09:00:00 +0000

openssl (3.5.4-1) unstable; urgency=medium

  * New upstream version
    - fixes CVE-2026-3333

 -- Maintainer <m@example.test>  Thu, 01 Oct 2026 09:00:00 +0000

openssl (3.5.1-1) unstable; urgency=medium

  * CVE-2025-9999

 -- Maintainer <m@example.test>  Tue, 01 Jul 2025 09:00:00 +0000
"""


def test_an_entry_says_version_urgency_day_and_vulnerabilities() -> None:
    first = parse_changelog(TEXT)[0]
    assert (first.version, first.suites, first.urgency, first.date) == (
        "3.5.4-1~deb13u2",
        "trixie-security",
        "high",
        "2026-11-20",
    )
    title = "CVE-2026-1111 (a read past the end of a buffer), CVE-2026-2222"
    assert first.fixes == (Fix(id="CVE-2026-1111", title=title), Fix(id="CVE-2026-2222", title=title))


def test_only_entries_newer_than_the_installed_version_count() -> None:
    changes = since(parse_changelog(TEXT), "3.5.1-1")
    assert [one.version for one in changes.releases] == ["3.5.4-1~deb13u2", "3.5.4-1~deb13u1", "3.5.4-1"]
    assert [fix.id for one in changes.releases for fix in one.fixes] == [
        "CVE-2026-1111",
        "CVE-2026-2222",
        "CVE-2026-3333",
    ]
    assert changes.reaches


def test_nothing_is_newer_than_the_newest() -> None:
    assert since(parse_changelog(TEXT), "3.5.4-1~deb13u2").releases == ()


def test_what_a_version_was_made_from_is_no_news_to_it() -> None:
    newer = since(parse_changelog(TEXT), "3.5.4-1~deb13u1").releases
    assert [one.version for one in newer] == ["3.5.4-1~deb13u2"]


def test_a_version_without_an_entry_is_put_where_it_belongs() -> None:
    changes = since(parse_changelog(TEXT), "3.5.2-1")
    assert [one.version for one in changes.releases] == ["3.5.4-1~deb13u2", "3.5.4-1~deb13u1", "3.5.4-1"]
    assert changes.reaches


def test_a_changelog_that_was_trimmed_does_not_reach_the_installed_version() -> None:
    assert not since(parse_changelog(TEXT), "3.0.0-1").reaches


def test_what_came_by_way_of_unstable_is_out_since_it_went_to_a_release() -> None:
    changes = since(parse_changelog(TEXT), "3.5.1-1")
    days = {one.version: out_since(changes, one) for one in changes.releases}
    assert days == {
        "3.5.4-1~deb13u2": "2026-11-20",
        "3.5.4-1~deb13u1": "2026-11-01",
        "3.5.4-1": "2026-11-01",
    }


def test_odd_lines_and_dates_are_passed_over() -> None:
    text = TEXT.replace("Fri, 20 Nov 2026 09:00:00 +0100", "yesterday").replace("  * Upload", "garbage (((\n")
    assert [one.date for one in parse_changelog(text)] == ["", "2026-11-01", "2026-10-01", "2025-07-01"]
    assert parse_changelog("\0\n -- nobody  never\nno changelog; urgency=low") == ()


def test_a_title_is_one_line_that_a_terminal_can_show() -> None:
    text = TEXT.replace("a read", "\x1b[31ma read" + " long" * 99)
    title = parse_changelog(text)[0].fixes[0].title
    assert title.isprintable()
    assert (len(title), title[-3:]) == (LONGEST_TITLE + 3, "...")
