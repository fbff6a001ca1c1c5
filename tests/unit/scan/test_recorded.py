"""Our readers on what the real programs answered: see recorded/README.md."""

import datetime
from pathlib import Path

import pytest

from builder.model.scan import Rating, ScanRun, Vulnerability
from builder.scan import grype, trivy
from builder.scan.program import NotAssessedError, Program, Said
from builder.scan.target import Target
from tests.unit.scan.samples import program, target

RECORDED = Path(__file__).parent / "recorded"
TRIVY = Program(name="trivy", path=Path("trivy"), version="0.74.0", sha256="0" * 64)
GRYPE = Program(name="grype", path=Path("grype"), version="0.120.0", sha256="0" * 64)
DAY = "2026-11-22"
Rows = list[tuple[str, str, str, str, Rating, str, str, str]]


def said(*names: str, code: int = 0, errors: str = "") -> Said:
    answer, *others = [(RECORDED / name).read_bytes() if name else b"" for name in names]
    text = (RECORDED / errors).read_text() if errors else ""
    return Said(code=code, answer=answer, others=tuple(others), errors=text)


def rows(run: ScanRun) -> Rows:
    return sorted(
        (one.package, one.version, one.kind, one.id, one.rating, one.fixed, one.fixed_since, one.status)
        for one in run.found
    )


def by_trivy(place: Target, name: str) -> ScanRun:
    return trivy.parsed(said(name), TRIVY, place, DAY)


def by_grype(place: Target, name: str) -> ScanRun:
    return grype.parsed(said(f"{name}.json", f"{name}-bill.json"), GRYPE, place)


@pytest.mark.parametrize("name", ["trivy-oci.json", "trivy-sbom.json"])
def test_trivy_on_the_layout_and_on_our_sbom_says_the_same(tmp_path: Path, name: str) -> None:
    run = by_trivy(target(tmp_path), name)
    assert (run.packages, run.database, run.version) == (38, DAY, "0.74.0")
    deb, ssl = "deb", "3.5.7-1~deb13u3"
    zlib = "1:1.3.dfsg+really1.3.1-1+deb13u1"
    fix = "3.5.7-1~deb13u99"
    assert rows(run) == [
        ("libexpat1", "2.9.0-1~deb13u1", deb, "CVE-2026-90003", Rating.UNKNOWN, "", "", "affected"),
        ("libssl3t64", ssl, deb, "CVE-2026-90001", Rating.HIGH, fix, "", "fixed"),
        ("openssl-provider-legacy", ssl, deb, "CVE-2026-90001", Rating.HIGH, fix, "", "fixed"),
        ("starlette", "1.10.0", "wheel", "CVE-2026-90004", Rating.CRITICAL, "99.0.0", "", "fixed"),
        ("zlib1g", zlib, deb, "CVE-2026-90002", Rating.LOW, "", "", "affected"),
    ]


def test_grype_on_the_layout(tmp_path: Path) -> None:
    run = by_grype(target(tmp_path), "grype-oci")
    assert (run.packages, run.database, run.version) == (38, DAY, "0.120.0")
    deb, ssl = "deb", "3.5.7-1~deb13u3"
    fix, since = "3.5.7-1~deb13u99", "2026-11-10"
    zlib = "1:1.3.dfsg+really1.3.1-1+deb13u1"
    assert rows(run) == [
        ("libssl3t64", ssl, deb, "CVE-2026-90001", Rating.HIGH, fix, since, "fixed"),
        ("openssl-provider-legacy", ssl, deb, "CVE-2026-90001", Rating.HIGH, fix, since, "fixed"),
        ("starlette", "1.10.0", "wheel", "CVE-2026-90004", Rating.CRITICAL, "99.0.0", "", "fixed"),
        ("zlib1g", zlib, deb, "CVE-2026-90002", Rating.NEGLIGIBLE, "", "", "wont-fix"),
    ]


def of(run: ScanRun, package: str) -> Vulnerability:
    return next(one for one in run.found if one.package == package)


def test_both_know_the_advisory_behind_a_cve(tmp_path: Path) -> None:
    place = target(tmp_path)
    found = [
        of(run, "starlette") for run in (by_trivy(place, "trivy-oci.json"), by_grype(place, "grype-oci"))
    ]
    assert [one.aliases for one in found] == [("GHSA-aaaa-bbbb-cccc",)] * 2
    assert {one.purl.partition("?")[0] for one in found} == {"pkg:pypi/starlette@1.10.0"}


def test_an_image_without_packages_looks_clean_and_is_not_assessed(tmp_path: Path) -> None:
    place = target(tmp_path)
    with pytest.raises(NotAssessedError, match=r"^saw no packages$"):
        by_trivy(place, "trivy-empty.json")
    with pytest.raises(NotAssessedError, match=r"^saw no packages$"):
        by_grype(place, "grype-empty")


def test_no_database(tmp_path: Path) -> None:
    place = target(tmp_path)
    with pytest.raises(NotAssessedError) as caught:
        grype.parsed(said("", "", code=1, errors="grype-nodb.txt"), GRYPE, place, "/cache")
    assert str(caught.value) == (
        "no database; run `temper scan --update`, or `grype db import` with GRYPE_DB_CACHE_DIR='/cache'"
    )
    with pytest.raises(NotAssessedError) as caught:  # asked for before it is run; said by trivy too
        trivy.parsed(said("", code=1, errors="trivy-nodb.txt"), TRIVY, place, DAY)
    assert str(caught.value) == (
        "it failed: run error: init error: DB error: database error: --skip-db-update cannot be specified on "
        "the first run"
    )


def test_an_old_database_of_grype(tmp_path: Path) -> None:
    place = target(tmp_path, database_days=5)
    later = Target(**{**fields(place), "today": datetime.date(2026, 11, 28)})
    with pytest.raises(NotAssessedError) as caught:
        by_grype(later, "grype-oci")
    assert str(caught.value) == (
        "its database is of 2026-11-22, 6 days old, and the profile allows 5; run `temper scan --update`"
    )


def fields(place: Target) -> dict[str, object]:
    return {name: getattr(place, name) for name in place.__dataclass_fields__}


@pytest.mark.parametrize(("name", "expected"), [("trivy", "0.74.0"), ("grype", "0.120.0")])
def test_their_versions_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: str
) -> None:
    program(tmp_path / "bin", name, f"cat {RECORDED / name}-version.txt; exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    run = {"trivy": trivy.scan, "grype": grype.scan}[name](target(tmp_path))
    assert (run.version, run.assessed) == (expected, False)
