"""Who brought each file, and what is said of each component."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.model.report import SbomRow
from builder.model.tree import Bytes
from builder.packages.licences import Licence
from builder.supply.collect import of_built, of_foreign
from builder.supply.graph import Component, Graph
from tests.unit.supply.samples import SITE, entry, image, lock, recorded

BUILT = of_built(image(), lock(), "sample", "hardened")
FOREIGN = of_foreign(image(recorded()), "sample", {})


def component(graph: Graph, ref: str) -> Component:
    return next(one for one in graph.components if one.ref == ref)


def test_components_are_the_packages_the_own_files_and_what_temper_wrote() -> None:
    refs = [one.ref for one in BUILT.components]
    assert refs == ["deb-libdemo++1", "files-app", "generated-temper", "wheel-demo"]


def test_a_package_is_what_its_record_says_and_its_archive_what_the_lock_says() -> None:
    deb = component(BUILT, "deb-libdemo++1")
    assert (
        deb.purl == "pkg:deb/debian/libdemo%2B%2B1@1:2.0-3?arch=amd64&distro=debian-13&upstream=demo%402.0-2"
    )
    assert deb.source == ("demo", "2.0-2")
    assert deb.supplier == "Demo Team <demo@example.org>"
    assert deb.licence == Licence("LGPL-2.1-or-later AND LicenseRef-odd", "DEP-5")
    assert deb.archive == "libdemo++1_2.0-3_amd64.deb"
    assert deb.sha256 == lock().packages[0].sha256


def test_each_file_is_owned_by_who_brought_it() -> None:
    assert [one.path for one in component(BUILT, "deb-libdemo++1").files] == [
        "usr/lib/libdemo.so.1",
        "usr/share/doc/libdemo++1/copyright",
    ]
    assert [one.path for one in component(BUILT, "files-app").files] == ["app/server.py"]


def test_libraries_of_a_wheel_are_those_that_say_their_name() -> None:
    assert [one.path for one in component(BUILT, "wheel-demo").libraries] == [
        f"{SITE}/demo.libs/libblas-1a2b.so.3"
    ]


def test_what_is_linked_is_needed() -> None:
    assert component(BUILT, "wheel-demo").needs == ("deb-libdemo++1",)


def test_what_lies_in_a_wheel_and_says_its_name_is_a_part_of_it() -> None:
    assert [one.purl for one in component(BUILT, "wheel-demo").parts] == [
        "pkg:npm/%40demo/ui@3.1.0",
        "pkg:pypi/inner-one@0.5",
        "pkg:generic/openblas@0.3.30",
    ]


def test_everything_is_covered_in_an_image_of_ours() -> None:
    assert BUILT.unowned == ()
    assert BUILT.coverage == SbomRow(
        components=7,
        kinds={"bundled": 3, "deb": 1, "files": 1, "generated": 1, "wheel": 1},
        libraries=2,
        files=12,
        owned_files=12,
        bytes=BUILT.coverage.bytes,
        owned_bytes=BUILT.coverage.bytes,
    )


def test_of_a_foreign_image_only_what_its_records_claim_is_owned() -> None:
    assert [one.path for one in FOREIGN.unowned] == [
        "app/server.py",
        "etc/os-release",
        "var/lib/dpkg/status.d/libdemo++1",
        "var/lib/dpkg/status.d/libdemo++1.md5sums",
    ]
    assert FOREIGN.coverage.owned_files == FOREIGN.coverage.files - 4
    assert component(FOREIGN, "deb-libdemo++1").sha256 == ""


def test_an_npm_package_that_nobody_brought_owns_its_folder() -> None:
    found = component(FOREIGN, "npm-left-pad-1.3.0")
    assert [one.path for one in found.files] == [
        "srv/node_modules/left-pad/index.js",
        "srv/node_modules/left-pad/package.json",
    ]


def test_a_database_that_is_not_read_is_named() -> None:
    graph = of_foreign(image([entry("lib/apk/db/installed", "P:musl\nV:1.2\n")]), "alpine", {})
    assert graph.unread == (
        "/lib/apk/db/installed: a database of packages that isn't read; what it lists is unowned here",
    )
    assert [one.path for one in graph.unowned] == ["lib/apk/db/installed"]


@pytest.mark.parametrize("path", ["srv/package.json", f"{SITE}/demo-1.0.dist-info/sboms/x.json"])
@settings(deadline=None)
@given(text=st.one_of(st.text(max_size=80), st.sampled_from(["[]", "3", "null", '{"name": 3}', "[" * 5000])))
def test_statements_of_strangers_never_break_it(path: str, text: str) -> None:
    found = [*recorded(), entry(path).replace(content=Bytes(text.encode("utf-8", "replace")))]
    of_foreign(image(found), "sample", {})
