"""From sonames to the packages that people add for them; the pairs are the archive's own."""

import pytest

from builder.rootfs.sonames import packages_of


@pytest.mark.parametrize(
    ("soname", "package"),
    [
        ("libstdc++.so.6", "libstdc++6"),
        ("libgomp.so.1", "libgomp1"),
        ("libgcc_s.so.1", "libgcc-s1"),
        ("libz.so.1", "zlib1g"),
        ("libGL.so.1", "libgl1"),
        ("libX11.so.6", "libx11-6"),
        ("libsqlite3.so.0", "libsqlite3-0"),
        ("libdb-5.3.so", "libdb5.3"),
        ("libnl-3.so.200", "libnl-3-200"),
        ("libopenblas.so.0", "libopenblas0"),
    ],
)
def test_the_first_guess(soname: str, package: str) -> None:
    assert packages_of(soname)[0] == package


def test_rebuilt_libraries_are_the_second_guess() -> None:
    assert packages_of("libpng16.so.16") == ("libpng16-16", "libpng16-16t64")


def test_an_odd_name_has_no_guess() -> None:
    assert packages_of("plugin.so") == ()
