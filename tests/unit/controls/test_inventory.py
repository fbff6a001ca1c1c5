"""What an image says about its packages, in all the forms that distributions and wheels know."""

import pytest

from builder.controls.inventory import Wheel, inventory
from builder.model.image import Image
from builder.model.tree import Entry, Rootfs
from tests.unit.controls.sound import SITE, VERSIONS, config, file, image

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12
Description: GNU C Library
 Version: not a field

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""


def with_files(*entries: Entry) -> Image:
    return Image(rootfs=Rootfs().with_entries(entries), config=config())


def test_status_file_lists_what_is_installed() -> None:
    assert inventory(with_files(file("var/lib/dpkg/status", STATUS))).debs == {"libc6": "2.41-12"}


def test_status_folder_lists_one_package_a_file() -> None:
    assert inventory(image()).debs == VERSIONS


def test_dpkg_lists_and_sums_name_files() -> None:
    found = inventory(
        with_files(
            file("var/lib/dpkg/info/a.list", "/.\n/etc\n/etc/a.conf\n"),
            file("var/lib/dpkg/info/b.md5sums", f"{'0' * 32}  usr/lib/b.so\n{'0' * 32}  lib/c.so\n"),
        )
    )
    assert set(found.files) >= {"etc/a.conf", "usr/lib/b.so", "usr/lib/c.so"}
    assert found.files["usr/lib/b.so"].startswith("deb ")
    assert "lib/c.so" not in found.files


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("demo/a.py,sha256=AAA,1", f"{SITE}/demo/a.py"),
        ('"demo/a,b.py",sha256=AAA,1', f"{SITE}/demo/a,b.py"),
        ('"demo/a""b.py",,', f'{SITE}/demo/a"b.py'),
        ("../../../bin/demo,sha256=AAA,1", "usr/local/bin/demo"),
        ("/usr/local/etc/demo.conf,,", "usr/local/etc/demo.conf"),
    ],
)
def test_record_names_files(line: str, path: str) -> None:
    info = f"{SITE}/Demo_Tool-1.0.dist-info"
    found = inventory(with_files(file(f"{info}/RECORD", line + "\n")))
    assert found.files == {path: "wheel demo-tool"}
    assert found.wheels == [Wheel(name="demo-tool", version="1.0", folder=info)]


def test_metadata_elsewhere_is_no_wheel() -> None:
    assert inventory(with_files(file("app/demo-1.0.dist-info/RECORD", "x,,\n"))).wheels == []


def test_the_answer_is_remembered_for_one_image_only() -> None:
    one, other = image(), with_files(file("var/lib/dpkg/status", STATUS))
    assert inventory(one) is inventory(one)
    assert inventory(other).debs.keys() == {"libc6"}
    assert len(inventory(one).debs) == len(VERSIONS)
