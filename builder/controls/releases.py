"""Until when distributions support their releases, as data.

Source: distro-info-data 0.58+deb12u6 (2026), debian.csv and ubuntu.csv: columns `eol`, and `eol-lts` of
Debian. Of Ubuntu its long-term releases and those since 2024 stand here; its paid support doesn't count.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Supported:
    """The last day of support, in UTC."""

    regular: datetime.date
    long_term: datetime.date
    """The same where there is none besides; by other people than the distribution's own team."""


def _until(regular: str, long_term: str = "") -> Supported:
    first, last = (datetime.date.fromisoformat(day) for day in (regular, long_term or regular))
    return Supported(first, last)


RELEASES: Mapping[str, Mapping[str, Supported]] = {
    "debian": {
        "9": _until("2020-07-18", "2022-06-30"),
        "10": _until("2022-09-10", "2024-06-30"),
        "11": _until("2024-08-14", "2026-08-31"),
        "12": _until("2026-07-11", "2028-06-30"),
        "13": _until("2028-08-09", "2030-06-30"),
    },
    "ubuntu": {
        "18.04": _until("2023-05-31"),
        "20.04": _until("2025-05-29"),
        "22.04": _until("2027-06-01"),
        "24.04": _until("2029-05-31"),
        "24.10": _until("2025-07-10"),
        "25.04": _until("2026-01-15"),
        "25.10": _until("2026-07-09"),
        "26.04": _until("2031-05-29"),
    },
}
"""By ID and VERSION_ID of os-release."""
