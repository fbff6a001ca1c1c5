"""What maintainer scripts would have done, as data."""

from builder.model.package import Package
from builder.model.tree import Bytes, Entry, Kind, Owner, Rootfs
from builder.rootfs import installed


def tree(*paths: str) -> Rootfs:
    return Rootfs().with_entries(
        Entry(path=path, kind=Kind.FILE, mode=0o644, content=Bytes(path.encode())) for path in paths
    )


def package(name: str, control: str = "", postinst: str = "") -> Package:
    scripts = (("postinst", postinst),) if postinst else ()
    owner = Owner(kind="deb", name=name, version="1")
    return Package(owner=owner, entries=(), control=control, md5sums="abc  usr/x\n", scripts=scripts)


def text(entries: list[Entry], path: str) -> str:
    [entry] = [entry for entry in entries if entry.path == path]
    return installed.read(entry).decode()


def test_status_d_holds_the_stanza_as_installed_and_the_md5sums() -> None:
    control = "Package: libc6\nVersion: 2\nDescription: C\n more\n"
    entries = installed.dpkg_status([package("libc6", control)], 5)
    assert text(entries, "var/lib/dpkg/status.d/libc6") == (
        "Package: libc6\nStatus: install ok installed\nVersion: 2\nDescription: C\n more\n"
    )
    assert text(entries, "var/lib/dpkg/status.d/libc6.md5sums") == "abc  usr/x\n"


def test_bundle_is_the_certificates_in_path_order_then_the_images_own() -> None:
    rootfs = tree("usr/share/ca-certificates/mozilla/b.crt", "usr/share/ca-certificates/mozilla/a.crt")
    entries = installed.ca_bundle(rootfs, [b"OWN\n\n"], 5)
    assert text(entries, installed.CA_BUNDLE) == (
        "usr/share/ca-certificates/mozilla/a.crt\nusr/share/ca-certificates/mozilla/b.crt\nOWN\n"
    )
    links = {entry.path: entry.target for entry in entries if entry.kind is Kind.SYMLINK}
    assert links["usr/lib/ssl/cert.pem"] == "/etc/ssl/certs/ca-certificates.crt"


def test_without_any_certificate_there_is_no_bundle() -> None:
    assert installed.ca_bundle(tree("usr/x"), [], 5) == []


def test_time_zone_is_utc_where_the_zones_are() -> None:
    entries = installed.time_zone(tree("usr/share/zoneinfo/Etc/UTC"), 5)
    assert [entry.path for entry in entries] == ["etc/localtime", "etc/timezone"]
    assert installed.time_zone(tree("usr/x"), 5) == []


def test_python3_points_to_the_version_that_is_there() -> None:
    [link] = installed.python_link(tree("usr/bin/python3.13"), "3.13", 5)
    assert (link.path, link.target) == ("usr/bin/python3", "python3.13")
    assert installed.python_link(tree("usr/bin/python3.13", "usr/bin/python3"), "3.13", 5) == []


def test_alternatives_are_read_from_postinst_and_the_highest_priority_wins() -> None:
    rootfs = tree("usr/lib/blas/libblas.so.3", "usr/lib/openblas/libblas.so.3")
    scripts = [
        "update-alternatives --install /usr/lib/libblas.so.3 libblas.so.3 /usr/lib/blas/libblas.so.3 10\n",
        (
            "update-alternatives --install /usr/lib/libblas.so.3 \\\n  libblas.so.3 "
            "/usr/lib/openblas/libblas.so.3 100\n"
        ),
    ]
    entries = installed.alternatives(rootfs, [package(f"p{i}", "", s) for i, s in enumerate(scripts)], 5)
    assert {entry.path: entry.target for entry in entries} == {
        "etc/alternatives/libblas.so.3": "/usr/lib/openblas/libblas.so.3",
        "usr/lib/libblas.so.3": "/etc/alternatives/libblas.so.3",
    }


def test_alternatives_with_variables_or_a_missing_target_are_passed_over() -> None:
    script = (
        "update-alternatives --install /usr/bin/x x /usr/bin/$name 10\n"
        "update-alternatives --install /usr/bin/y y /usr/bin/gone 10\n"
    )
    assert installed.alternatives(tree("usr/bin/z"), [package("p", "", script)], 5) == []
