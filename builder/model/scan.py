"""What scanners found in an image: one form for every scanner, kept as `scan.json` beside the image."""

import datetime
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from builder.model.base import Strict
from builder.model.spec import Strings, as_tuple

if TYPE_CHECKING:
    from builder.model.vex import Issued

ScannerName = Literal["built-in", "trivy", "grype"]
SCANNERS: tuple[ScannerName, ...] = ("built-in", "trivy", "grype")
ProgramName = Literal["trivy", "grype"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Rating(StrEnum):
    """How severe a vulnerability is, lowest first. A scanner that can't tell says `unknown`."""

    UNKNOWN = "unknown"
    NEGLIGIBLE = "negligible"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class ScanSettings(Strict):
    """What the profile asks of scans; `None` means: what the parent profile says."""

    scanners: Annotated[tuple[ScannerName, ...], BeforeValidator(as_tuple)] | None = None
    """Those that must have assessed the image. Others that are on the PATH are run too."""
    fail_on: Literal["negligible", "low", "medium", "high", "critical"] | None = None
    """Least rating that fails the gate. What nobody has rated counts as if it had this one."""
    fixed_only: bool | None = None
    """Only what another version fixes fails the gate."""
    grace_days: Annotated[int, Field(ge=0, le=366)] | None = None
    """Days that a fix may be out before its lack fails the gate. Where no scanner says when it came out,
    they count from the first scan here that told it."""
    database_days: Annotated[int, Field(ge=1, le=366)] | None = None
    """Age in days from which a scanner's data is too old: it did not assess the image then."""
    timeout: Annotated[int, Field(ge=1, le=86400)] | None = None
    """Seconds that a scanner may take."""
    pins: dict[ProgramName, Annotated[tuple[Sha256, ...], BeforeValidator(as_tuple)]] | None = None
    """SHA-256 of the programs that may be run: `trivy: [12ab...]`. Others are refused then."""


SCAN_DEFAULTS = ScanSettings(
    scanners=(), fail_on="critical", fixed_only=True, grace_days=30, database_days=5, timeout=600, pins={}
)
"""Where no profile says anything."""


class Vulnerability(Strict):
    """One vulnerability of one package, as one scanner says it."""

    id: str
    """`CVE-2026-1234`; another database's name only where there is no CVE.

    Empty for a pending security update whose changelog names none."""
    aliases: Strings = ()
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
    first_seen: str = ""
    """The day (YYYY-MM-DD) of the first scan of this image here that told it; Temper fills it in."""
    status: str = ""
    """The scanner's own word: `will_not_fix`, `end_of_life`..."""
    title: str = ""
    url: str = ""
    excused: str = ""
    """By which VEX statement it does not count: `vex/openssl.yaml: component_not_present`."""

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for name in (self.id, *self.aliases) if name)


class SupportLevel(StrEnum):
    """How far the distribution answers for a package that it ships."""

    LIMITED = "limited"
    """For some uses only: the note says which."""
    ENDING = "ending"
    """Until a day before the distribution's own end."""
    ENDED = "ended"


class Support(Strict):
    """A package in the image that the distribution supports less than itself."""

    package: str
    version: str
    """The installed one."""
    source: str
    level: SupportLevel
    date: str = ""
    """The day (YYYY-MM-DD) on which it ends or ended."""
    note: str = ""
    """The distribution's own words."""


class ScanRun(Strict):
    """One scanner's answer. Its findings mean something only where it assessed."""

    scanner: ScannerName
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
    limits: Strings = ()
    """What it can't know, a sentence each."""
    found: Annotated[tuple[Vulnerability, ...], BeforeValidator(as_tuple)] = ()
    """By package and id."""
    support: Annotated[tuple[Support, ...], BeforeValidator(as_tuple)] | None = None
    """Packages of limited or ended support; `None` where the scanner did not look."""

    @property
    def assessed(self) -> bool:
        return not self.problem


class Scan(Strict):
    """Every scanner's answer on one image."""

    image: str
    digest: str
    """Of the manifest that was scanned."""
    time: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    """When it was scanned, in UTC."""
    runs: Annotated[tuple[ScanRun, ...], BeforeValidator(as_tuple)]
    vex: Strings = ()
    """VEX statements that excuse nothing, and why: `vex/a.yaml:3: CVE-2026-1234: expired...`."""

    @property
    def date(self) -> str:
        return self.time[:10]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedScan:
    """What `scan.json` beside a layout says, whoever wrote it last, and what it is held against."""

    file: str = "scan.json"
    scan: Scan | None = None
    problem: str = ""
    """Why it can't be read."""
    today: datetime.date
    issued: tuple["Issued", ...] = ()
    """VEX statements about the image, as they stand today."""
