"""What packages say of their licences, in SPDX's words and in nobody else's."""

import license_expression
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.packages.licences import Licence, of_copyright, of_metadata, of_short_name, references

SPDX = license_expression.get_spdx_licensing()


@pytest.mark.parametrize(
    ("debian", "spdx"),
    [
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-2", "GPL-2.0-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("GPL", "GPL-1.0-or-later"),
        ("AGPL-3", "AGPL-3.0-only"),
        ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
        ("Expat", "MIT"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("Artistic or GPL-1+", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
        ("MPL-1.1 or GPL-2+ and ISC", "MPL-1.1 OR GPL-2.0-or-later AND ISC"),
        ("GPL-2+ or Expat, and ISC", "(GPL-2.0-or-later OR MIT) AND ISC"),
        ("GPL-3+ with autoconf exception", "GPL-3.0-or-later WITH Autoconf-exception-3.0"),
        ("GPL-2+-with-link-exception", "LicenseRef-GPL-2-with-link-exception"),
        ("public-domain", "LicenseRef-public-domain"),
        ("MIT/X11", "LicenseRef-MIT-X11"),
        ("none", ""),
        ("", ""),
    ],
)
def test_short_names_of_debian_are_those_of_spdx(debian: str, spdx: str) -> None:
    assert of_short_name(debian) == spdx


@given(st.text(max_size=60))
def test_whatever_stands_there_becomes_an_expression_that_parses(text: str) -> None:
    for expression in (of_short_name(text), of_metadata(f"License: {text}\n").expression):
        if expression:
            parsed = SPDX.parse(expression)
            unknown = SPDX.unknown_license_keys(parsed)
            assert all(name.startswith("LicenseRef-") for name in unknown)


FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"


def test_all_parts_of_a_source_count_but_not_its_packaging() -> None:
    text = f"""{FORMAT}
Files: *
License: Expat or GPL-2+
 text of it

Files: lib/*
       src/*
License: ISC

Files: debian/* debian/patches/x
License: AGPL-3

License: ISC
 a text that stands alone
"""
    assert of_copyright(text) == Licence("ISC AND (MIT OR GPL-2.0-or-later)", "DEP-5")


def test_a_file_for_people_says_nothing_but_what_it_refers_to() -> None:
    text = "It is free.\nSee /usr/share/common-licenses/GPL-2. and /usr/share/common-licenses/Artistic\n"
    assert of_copyright(text) == Licence(mentioned=("Artistic", "GPL-2"))


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("License-Expression: MIT OR Apache-2.0\n", Licence("MIT OR Apache-2.0", "License-Expression")),
        ("License-Expression: mit\nLicense: no\n", Licence("MIT", "License-Expression")),
        ("License: Apache License 2.0\n", Licence("Apache-2.0", "License")),
        ("License: 3-Clause BSD License\n", Licence("BSD-3-Clause", "License")),
        (
            "License: BSD\nClassifier: License :: OSI Approved :: MIT License\n",
            Licence("MIT", "classifiers"),
        ),
        (
            "Classifier: License :: OSI Approved :: BSD License\n{}".format(
                "Classifier: License :: OSI Approved :: Apache Software License\n"
            ),
            Licence("Apache-2.0 AND LicenseRef-BSD-License", "classifiers"),
        ),
        ("Classifier: License :: OSI Approved\n", Licence()),
        (
            "License: NVIDIA Proprietary Software\n",
            Licence("LicenseRef-NVIDIA-Proprietary-Software", "License"),
        ),
        ("License: " + "a whole text " * 20 + "\n", Licence()),
        ("Name: x\n\nLicense: MIT\n", Licence()),
    ],
)
def test_a_wheel_is_under_what_its_metadata_says(metadata: str, expected: Licence) -> None:
    assert of_metadata(metadata) == expected


def test_names_outside_of_the_list_are_found() -> None:
    assert references("(LicenseRef-a OR MIT) AND LicenseRef-b AND LicenseRef-a") == [
        "LicenseRef-a",
        "LicenseRef-b",
    ]
