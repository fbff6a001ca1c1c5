"""How a licence expression is held against a profile's lists."""

import pytest

from builder.controls.audit import audit
from builder.model.report import Outcome
from builder.model.tree import Entry
from tests.unit.controls.sound import file, image, planned, put


def statement(licence: str) -> Entry:
    head = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
    return file("usr/share/doc/libc6/copyright", f"{head}Files: *\nLicense: {licence}\n")


def verdict(licence: str, **parameters: object) -> list[str]:
    (result,) = audit(put(statement(licence))(image()), None, None, [planned("licences", **parameters)])
    assert (result.outcome is Outcome.FAILED) == bool(result.findings)
    return [finding.message for finding in result.findings if finding.message.startswith("deb libc6")]


def under(*names: str) -> list[str]:
    words = " and ".join(f"'{name}'" for name in names)
    return [f"deb libc6 is under {words}, which the profile doesn't allow"]


@pytest.mark.parametrize(
    ("licence", "parameters", "findings"),
    [
        ("GPL-3+", {}, []),
        ("GPL-3+ or Expat", {"deny": ("GPL-*",)}, []),
        ("GPL-3+ or Expat", {"allow": ("MIT",)}, []),
        ("GPL-3+ or AGPL-3 and GPL-2", {"deny": ("*GPL-*",)}, under("GPL-3.0-or-later")),
        ("GPL-3+ and Expat", {"allow": ("MIT",)}, under("GPL-3.0-or-later")),
        ("GPL-3+ or Expat, and AGPL-3", {"deny": ("*GPL-*",)}, under("AGPL-3.0-only")),
        ("GPL-3+ with autoconf exception", {"deny": ("GPL-3.0-or-later",)}, []),
        (
            "GPL-3+ with autoconf exception",
            {"deny": ("GPL-*",)},
            under("GPL-3.0-or-later WITH Autoconf-exception-3.0"),
        ),
        ("odd", {"allow": ("MIT",)}, under("LicenseRef-odd")),
        ("odd", {"allow": ("MIT", "LicenseRef-odd")}, []),
        ("GPL-3+", {"allow": ("GPL-*",), "deny": ("gpl-3.0-*",)}, under("GPL-3.0-or-later")),
        ("AGPL-3", {"deny": ("AGPL-*",), "cleared": ("libc6",)}, []),
        ("none", {"deny": ("AGPL-*",)}, []),
        ("none", {"unstated": "deny", "cleared": ("libc6",)}, []),
    ],
)
def test_an_expression_passes_if_one_way_through_it_does(
    licence: str, parameters: dict[str, object], findings: list[str]
) -> None:
    assert verdict(licence, **parameters) == findings
