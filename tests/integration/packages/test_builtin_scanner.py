"""The built-in scanner against a signed archive: what is pending, what it mends, and what can't be known."""

import dataclasses
import gzip
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from builder.model.image import Image, ImageConfig
from builder.model.scan import ScanRun, Support, SupportLevel
from builder.model.tree import Bytes, Entry, Kind, Rootfs
from builder.packages.store import Store
from builder.progress import Silent
from builder.scan.archive import FRESH, Asking
from builder.scan.builtin import look
from tests.integration.archive import DATE, DAY, Deb, LocalArchive, Signing, flip

INRELEASE = "debian-security: dists/trixie-security/InRelease"
NOW = DATE + 60
CHANGELOG = """\
lib (2.0+deb13u1) trixie-security; urgency=high

  * CVE-2026-1111 (reads too far)
  * CVE-2026-2222

 -- Maintainer <m@example.test>  Fri, 18 Sep 2026 09:00:00 +0000

lib (2.0) unstable; urgency=low

  * CVE-2025-3333

 -- Maintainer <m@example.test>  Mon, 01 Sep 2025 09:00:00 +0000
"""
NEWER = CHANGELOG.partition("\n\nlib (2.0)")[0] + "\n"
"""Without the entry of what is installed."""
LISTS = "tool  limited  Only for trusted content\nold  non-supported  1.0  2026-01-01  gone\n"


def changelog(text: str = CHANGELOG, package: str = "lib") -> dict[str, bytes]:
    return {f"usr/share/doc/{package}/changelog.Debian.gz": gzip.compress(text.encode())}


LIB = Deb(name="lib", version="2.0+deb13u1", files=changelog())
SUPPORT = Deb(
    name="debian-security-support",
    architecture="all",
    files={"usr/share/debian-security-support/security-support.deb13": LISTS.encode()},
)
INSTALLED = (("lib", "2.0", ""), ("tool", "1.0", ""), ("old-bin", "1.0", "old"))


def stanza(name: str, version: str, source: str = "", architecture: str = "amd64") -> str:
    line = f"Source: {source}\n" if source else ""
    return f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n{line}"


def file(path: str, text: str) -> Entry:
    return Entry(path=path, kind=Kind.FILE, mode=0o644, content=Bytes(text.encode()))


def image(
    *packages: tuple[str, str, str],
    release: str = 'ID=debian\nVERSION_ID="13"\n',
    platform: str = "linux/amd64",
) -> Image:
    entries = [
        file(f"var/lib/dpkg/status.d/{name}", stanza(name, *more)) for name, *more in packages or INSTALLED
    ]
    if release:
        entries.append(file("etc/os-release", release))
    return Image(rootfs=Rootfs().with_entries(entries), config=ImageConfig(platform=platform))


@pytest.fixture
def store() -> Store:
    return Store.default()


def scan(store: Store, *packages: tuple[str, str, str], now: int = NOW, **options: Any) -> ScanRun:
    asking = Asking(store=store, progress=Silent(), now=now, offline=options.pop("offline", False))
    return look(image(*packages, **options), asking)


def names(run: ScanRun) -> list[tuple[str, str]]:
    return [(one.package, one.id) for one in run.found]


def test_a_pending_update_is_told_with_what_it_mends(archive: LocalArchive, store: Store) -> None:
    archive.publish([SUPPORT], security=[LIB])
    run = scan(store)
    assert (run.problem, run.database, run.packages) == ("", "2026-09-21", 3)
    assert names(run) == [("lib", "CVE-2026-1111"), ("lib", "CVE-2026-2222")]
    first = run.found[0]
    assert (first.version, first.fixed, first.fixed_since) == ("2.0", "2.0+deb13u1", "2026-09-18")
    assert (first.kind, first.status, first.title, first.rating) == (
        "deb",
        "urgency high",
        "CVE-2026-1111 (reads too far)",
        "unknown",
    )
    assert first.purl == "pkg:deb/debian/lib@2.0?arch=amd64&distro=debian-13"


def test_what_it_cannot_know_is_said(archive: LocalArchive, store: Store) -> None:
    archive.publish([SUPPORT], security=[LIB])
    assert scan(store).limits == (
        "vulnerabilities that the distribution has not mended, and those mended by a point release only",
        "vulnerabilities of files that no Debian package brought",
        "how severe a vulnerability is: a changelog tells the update's urgency, which stands as its status",
    )


def test_an_image_with_every_update_has_no_finding(archive: LocalArchive, store: Store) -> None:
    archive.publish([SUPPORT], security=[LIB])
    run = scan(store, ("lib", "2.0+deb13u1", ""), ("tool", "9", ""))
    assert (run.problem, run.found) == ("", ())


def test_the_second_scan_asks_nobody(archive: LocalArchive, store: Store) -> None:
    archive.publish([SUPPORT], security=[LIB])
    first = scan(store)
    for name in ("debian", "debian-security"):
        shutil.rmtree(archive.root / name)
    for blob in store.root.glob("blobs/sha256/*"):  # the packages themselves are read once
        if blob.stat().st_size == len(LIB.build()):
            blob.unlink()
    assert scan(store, now=NOW + FRESH - 1) == first
    assert scan(store, now=NOW + DAY, offline=True) == first


def test_an_old_index_without_an_end_is_asked_for_once_an_hour_too(
    archive: LocalArchive, store: Store
) -> None:
    """That of a release that is out is as old as its last point release."""
    archive.publish([], security=[LIB])
    archive.publish_suite("debian", "trixie", [SUPPORT], date=DATE - 90 * DAY, valid=None)
    first = scan(store)
    shutil.rmtree(archive.root / "debian")
    assert scan(store, now=NOW + 1) == first


def test_a_security_index_without_an_end_is_believed_for_two_weeks(
    archive: LocalArchive, store: Store
) -> None:
    archive.publish([SUPPORT], security=[LIB], valid=None)
    assert scan(store, now=DATE + 14 * DAY).problem == ""
    assert scan(store, now=DATE + 14 * DAY + 1).problem == (
        f"{INRELEASE}: is of 2026-09-21, too old to say what is pending; use a mirror that is up to date"
    )


def test_an_index_is_asked_for_again_after_an_hour(archive: LocalArchive, store: Store) -> None:
    archive.publish([SUPPORT])
    assert scan(store).found == ()
    archive.publish([SUPPORT], security=[LIB], date=DATE + 30)
    assert scan(store, now=NOW + FRESH - 1).found == ()
    assert len(scan(store, now=NOW + FRESH).found) == 2


def test_packages_of_one_source_share_a_changelog(archive: LocalArchive, store: Store) -> None:
    """The small one's is a link to the other's folder; an older build of it in the index is no help."""
    source = {"Source": "lib"}
    small = Deb(
        name="lib-bin",
        version="2.0+deb13u1",
        fields=source,
        links={"usr/share/doc/lib-bin": "lib"},
    )
    older = dataclasses.replace(LIB, version="2.0+deb13u0", files=changelog(NEWER))
    archive.publish([SUPPORT], security=[small, older, LIB])
    run = scan(store, ("lib-bin", "2.0", "lib"))
    assert names(run) == [("lib-bin", "CVE-2026-1111"), ("lib-bin", "CVE-2026-2222")]
    assert run.found[0].purl == "pkg:deb/debian/lib-bin@2.0?arch=amd64&distro=debian-13&upstream=lib"


def test_a_rebuild_is_compared_by_its_source_version(archive: LocalArchive, store: Store) -> None:
    rebuilt = dataclasses.replace(LIB, version="2.0+deb13u1+b1", fields={"Source": "lib (2.0+deb13u1)"})
    archive.publish([SUPPORT], security=[rebuilt])
    assert names(scan(store, ("lib", "2.0+b2", "lib (2.0)"))) == [
        ("lib", "CVE-2026-1111"),
        ("lib", "CVE-2026-2222"),
    ]


def test_an_update_that_names_no_vulnerability_is_told_all_the_same(
    archive: LocalArchive, store: Store
) -> None:
    text = CHANGELOG.replace("CVE-2026-1111", "a fix").replace("CVE-2026-2222", "another")
    archive.publish([SUPPORT], security=[dataclasses.replace(LIB, files=changelog(text))])
    [one] = scan(store).found
    assert (one.id, one.fixed, one.fixed_since, one.title) == (
        "",
        "2.0+deb13u1",
        "2026-09-18",
        "a security update that names no CVE",
    )


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, "what the update of lib mends: none of its packages that were looked into holds a changelog"),
        (
            {"usr/share/doc/lib/changelog.Debian.gz": b"no gzip"},
            (
                "what the update of lib mends: lib_2.0+deb13u1_amd64.deb: data.tar.xz: "
                "'usr/share/doc/lib/changelog.Debian.gz': is damaged"
            ),
        ),
        (
            changelog(NEWER),
            "all that the update of lib mends: its changelog doesn't go back to 2.0",
        ),
    ],
)
def test_a_changelog_that_says_too_little_is_a_limit(
    archive: LocalArchive, store: Store, files: dict[str, bytes], limit: str
) -> None:
    archive.publish([SUPPORT], security=[dataclasses.replace(LIB, files=files)])
    run = scan(store)
    assert limit in run.limits
    assert {one.package for one in run.found} == {"lib"}


def test_a_package_that_the_mirror_lacks_is_a_limit(archive: LocalArchive, store: Store) -> None:
    archive.publish([SUPPORT], security=[LIB])
    archive.file(LIB, "debian-security").unlink()
    run = scan(store)
    assert [(one.package, one.id) for one in run.found] == [("lib", "")]
    url = f"{archive.url}/debian-security/{LIB.path}"
    assert (
        f"what the update of lib mends: lib_2.0+deb13u1_amd64.deb: not found at '{url}' (status 404)"
    ) in run.limits


def test_of_two_packages_that_the_mirror_lacks_each_is_told_its_own_reason(
    archive: LocalArchive, store: Store
) -> None:
    tool = Deb(name="tool", version="1.1", files=changelog(package="tool"))
    archive.publish([SUPPORT], security=[LIB, tool])
    for one in (LIB, tool):
        archive.file(one, "debian-security").unlink()
    limits = [limit.partition(": not found")[0] for limit in scan(store).limits if "not found" in limit]
    assert limits == [
        "what the update of lib mends: lib_2.0+deb13u1_amd64.deb",
        "what the update of tool mends: tool_1.1_amd64.deb",
    ]


def test_packages_of_less_support_by_their_source(archive: LocalArchive, store: Store) -> None:
    archive.publish([SUPPORT])
    assert scan(store).support == (
        Support(
            package="old-bin", version="1.0", source="old", level=SupportLevel.ENDED,
            date="2026-01-01", note="gone",
        ),
        Support(
            package="tool", version="1.0", source="tool", level=SupportLevel.LIMITED,
            note="Only for trusted content",
        ),
    )  # fmt: skip


def test_without_the_lists_nobody_says_that_all_is_supported(archive: LocalArchive, store: Store) -> None:
    archive.publish([])
    run = scan(store)
    assert (run.problem, run.support) == ("", None)
    assert run.limits[-1] == (
        "which packages have limited or ended support: debian/trixie has no package debian-security-support"
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"signing": Signing.TAMPERED},
            "its signature is bad: the text was changed after it was signed",
        ),
        ({"signing": Signing.STRANGER}, "signed by "),
        ({"signing": Signing.UNSIGNED}, "is not signed"),
        (
            {"date": DATE - 9 * DAY},
            (
                "was valid until 2026-09-19 14:13 UTC and is stale; use a mirror that is up to date, or set "
                "this machine's clock if it is wrong"
            ),
        ),
        ({"says": "bookworm-security"}, "is the index of 'bookworm-security', not of 'trixie-security'"),
    ],
)
def test_an_index_that_cannot_be_trusted_assesses_nothing(
    archive: LocalArchive, store: Store, options: dict[str, Any], problem: str
) -> None:
    archive.publish([SUPPORT])
    archive.publish_suite("debian-security", "trixie-security", [LIB], **options)
    run = scan(store)
    assert not run.assessed
    assert run.problem.startswith(f"{INRELEASE}: {problem}")
    assert (run.found, run.support) == ((), None)


def test_a_damaged_list_of_packages_assesses_nothing(archive: LocalArchive, store: Store) -> None:
    archive.publish([SUPPORT], security=[LIB])
    for path in archive.index("trixie-security", archive="debian-security"):
        flip(path)
    run = scan(store)
    assert not run.assessed
    assert run.problem.startswith("debian-security: dists/trixie-security/main/binary-amd64/Packages.xz: ")


def test_offline_without_an_index(archive: LocalArchive, store: Store) -> None:
    assert scan(store, offline=True).problem == (
        f"{INRELEASE}: none was fetched here yet; run once without --offline"
    )


def test_offline_with_an_index_that_is_too_old(archive: LocalArchive, store: Store) -> None:
    archive.publish([SUPPORT], security=[LIB])
    scan(store)
    assert scan(store, now=DATE + 7 * DAY, offline=True).problem == ""
    assert scan(store, now=DATE + 7 * DAY + 1, offline=True).problem == (
        f"{INRELEASE}: is of 2026-09-21 and was valid until 2026-09-28, too old to say what is pending; "
        "run once without --offline"
    )


def test_offline_the_kept_index_is_verified_again(
    archive: LocalArchive, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.publish([SUPPORT], security=[LIB])
    scan(store)
    other = tmp_path / "other"
    LocalArchive(root=other).publish([])
    (other / "keyring.asc").write_text(_stranger())
    monkeypatch.setenv("TEMPER_KEYRING_DEBIAN_SECURITY", str(other / "keyring.asc"))
    run = scan(store, offline=True)
    assert not run.assessed
    assert run.problem.startswith(f"{INRELEASE}: ")


def _stranger() -> str:
    from tests.integration.archive import signing_key  # noqa: PLC0415

    return str(signing_key("stranger").extract_certificate())


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"release": "ID=ubuntu\nVERSION_ID=24.04\n"},
            "the security index of 'ubuntu 24.04' is not known, only those of debian 12 and debian 13",
        ),
        (
            {"release": "ID=debian\n"},
            "the security index of 'debian' is not known, only those of debian 12 and debian 13",
        ),
        ({"release": ""}, "the image doesn't say which distribution it is of: it has no os-release"),
        (
            {"platform": "linux/s390x"},
            "the image is for 'linux/s390x', and only linux/amd64 and linux/arm64 are known",
        ),
    ],
)
def test_what_no_known_index_speaks_of_is_not_assessed(
    store: Store, archive: LocalArchive, options: dict[str, str], problem: str
) -> None:
    run = scan(store, **options)
    assert (run.assessed, run.problem, run.packages) == (False, problem, 3)


def test_an_image_without_records_of_packages_is_not_assessed(store: Store, archive: LocalArchive) -> None:
    bare = Image(
        rootfs=Rootfs().with_entries([file("etc/os-release", "ID=debian\nVERSION_ID=13\n")]),
        config=ImageConfig(platform="linux/amd64"),
    )
    run = look(bare, Asking(store=store, progress=Silent(), now=NOW, offline=False))
    assert run.problem == "saw no packages: the image has no record of any"


def test_a_status_file_with_removed_and_foreign_packages(archive: LocalArchive, store: Store) -> None:
    archive.publish([SUPPORT], security=[LIB])
    status = "\n\n".join(
        [
            stanza("lib", "2.0") + "Status: deinstall ok config-files",
            stanza("tool", "1.0") + "Status: install ok installed",
            stanza("lib", "2.0", architecture="i386") + "Status: install ok installed",
        ]
    )
    entries = [file("var/lib/dpkg/status", status), file("etc/os-release", "ID=debian\nVERSION_ID=13\n")]
    older = Image(rootfs=Rootfs().with_entries(entries), config=ImageConfig(platform="linux/amd64"))
    run = look(older, Asking(store=store, progress=Silent(), now=NOW, offline=False))
    assert (run.packages, run.found) == (2, ())
    assert "packages of another architecture than the image's: i386" in run.limits


def test_an_image_for_another_platform_is_looked_up_in_its_own_index(
    archive: LocalArchive, store: Store
) -> None:
    arm = dataclasses.replace(LIB, architecture="arm64", version="2.0+deb13u2")
    archive.publish([SUPPORT], security=[LIB, arm])
    entries = [
        file("var/lib/dpkg/status.d/lib", stanza("lib", "2.0", architecture="arm64")),
        file("etc/os-release", "ID=debian\nVERSION_ID=13\n"),
    ]
    built = Image(rootfs=Rootfs().with_entries(entries), config=ImageConfig(platform="linux/arm64/v8"))
    run = look(built, Asking(store=store, progress=Silent(), now=NOW, offline=False))
    assert {one.fixed for one in run.found} == {"2.0+deb13u2"}


@pytest.mark.network
@pytest.mark.slow
def test_the_real_archive_says_what_old_packages_lack() -> None:
    """Those of Debian 13.0: what has been mended since then stays so."""
    old = (
        ("libssl3t64", "3.5.1-1", "openssl"),
        ("libexpat1", "2.7.1-2", "expat"),
        ("binutils", "2.44-3", ""),
    )
    asking = Asking(store=Store.default(), progress=Silent(), now=int(time.time()), offline=False)
    run = look(image(*old), asking)
    assert (run.problem, run.packages) == ("", 3)
    assert {"CVE-2025-15467", "CVE-2025-69419"} <= {
        one.id for one in run.found if one.package == "libssl3t64"
    }
    assert all(one.fixed_since > "2025-08-09" for one in run.found)
    assert [(one.package, one.level) for one in run.support or ()] == [("binutils", SupportLevel.LIMITED)]
