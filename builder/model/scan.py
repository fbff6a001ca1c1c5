"""What scanners found in an image: one form for every scanner, kept as `scan.json` beside the image."""

from enum import StrEnum

from builder.model.base import Strict


class Rating(StrEnum):
    """How severe a vulnerability is, lowest first. A scanner that can't tell says `unknown`."""

    UNKNOWN = "unknown"
    NEGLIGIBLE = "negligible"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Vulnerability(Strict):
    """One vulnerability of one package, as one scanner says it."""

    id: str
    """`CVE-2026-1234`; another database's name only where there is no CVE.

    Empty for a pending security update whose changelog names none."""
    aliases: tuple[str, ...] = ()
    package: str
    """The binary package or distribution, as the image's database calls it."""
    version: str
    """The installed one."""
    kind: str
    """`deb`, `wheel`, else the scanner's word for it."""
    purl: str = ""
    rating: Rating = Rating.UNKNOWN
    fixed: str = ""
    """The version that fixes it; empty where none does."""
    fixed_since: str = ""
    """The day (YYYY-MM-DD) since which there is a fix; empty where the scanner can't say."""
    status: str = ""
    """The scanner's own word: `will_not_fix`, `end_of_life`..."""
    title: str = ""
    url: str = ""
    excused: str = ""
    """By which VEX statement it does not count: `vex/openssl.yaml: component_not_present`."""


class ScanRun(Strict):
    """One scanner's answer. Its findings mean something only where it assessed."""

    scanner: str
    """`built-in`, `trivy` or `grype`."""
    version: str
    """Of the program; of Temper for the built-in one."""
    sha256: str = ""
    """Of the program's file."""
    database: str = ""
    """The day (YYYY-MM-DD) of the data it looked things up in."""
    packages: int = 0
    """How many it saw."""
    problem: str = ""
    """Why it did not assess: `no database`, `saw no packages`; empty where it did."""
    limits: tuple[str, ...] = ()
    """What it can't know, a sentence each."""
    found: tuple[Vulnerability, ...] = ()
    """By package and id."""

    @property
    def assessed(self) -> bool:
        return not self.problem


class Scan(Strict):
    """Every scanner's answer on one image."""

    image: str
    digest: str
    """Of the manifest that was scanned."""
    date: str
    """The day (YYYY-MM-DD) of the scan."""
    runs: tuple[ScanRun, ...]
