"""`vex/*.yaml` as a type: what somebody answers for about a vulnerability, in OpenVEX's terms."""

import datetime
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from builder.model.base import Strict
from builder.model.package import normal
from builder.model.profile import as_date
from builder.model.scan import Vulnerability
from builder.model.spec import Strings, as_tuple

Status = Literal["not_affected", "affected", "fixed", "under_investigation"]
Justification = Literal[
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
]
"""Source: OpenVEX 0.2.0, status justifications."""
ABSENT: Justification = "component_not_present"
EXCUSING = ("not_affected", "fixed")
Day = Annotated[datetime.date, BeforeValidator(as_date)]


def said(text: str) -> str:
    """YAML's long texts end in a newline."""
    if not text.strip():
        raise ValueError("empty; write text")
    return " ".join(text.split())


Said = Annotated[str, AfterValidator(said)]


class Revoked(Strict):
    """A statement that its author takes back. It stays in the file, so that readers learn of it."""

    date: Day
    reason: Said


class Statement(Strict):
    vulnerability: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]*(-[A-Za-z0-9]+)+$")]
    """`CVE-2026-1234`, or another database's name."""
    packages: Annotated[tuple[Said, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    """Binary packages or distributions, as scanners name them."""
    images: Strings = ()
    """By name; all that the file is about where none is named."""
    status: Status
    justification: Justification | None = None
    statement: Said
    """Why that is so, in words."""
    action: Said | None = None
    """What users of an affected image do."""
    date: Day
    """On which it was made."""
    expires: Day | None = None
    """The last day on which it excuses anything."""
    revoked: Revoked | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Statement":
        if self.status == "not_affected" and self.justification is None:
            raise ValueError(
                f"'not_affected' needs a justification; write one of: {', '.join(get_args(Justification))}"
            )
        if self.status != "not_affected" and self.justification is not None:
            raise ValueError(f"'{self.status}' takes no justification; remove it")
        if self.status in EXCUSING and self.expires is None:
            raise ValueError(f"'{self.status}' excuses findings until a day; write it as 'expires'")
        if self.status == "affected" and self.action is None:
            raise ValueError("'affected' needs an action; write what users of the image do")
        if self.expires is not None and self.expires < self.date:
            raise ValueError(f"expires on {self.expires}, before it was made; correct one of the dates")
        return self

    @property
    def reason(self) -> str:
        return self.justification or self.status

    def why_not(self, today: datetime.date) -> str:
        """Why it counts no more; empty where it does."""
        if self.revoked is not None:
            return f"was revoked on {self.revoked.date}: {self.revoked.reason}"
        if self.expires is not None and self.expires < today:
            return f"expired on {self.expires}"
        return ""

    def excuses(self, one: Vulnerability) -> bool:
        """Whatever the day. An update that names no vulnerability can't be meant."""
        named = {normal(name) for name in self.packages}
        return self.status in EXCUSING and self.vulnerability in one.names and normal(one.package) in named


class VexSheet(Strict):
    """A file of `vex/`."""

    author: Said
    """Who answers for the statements."""
    statements: Annotated[tuple[Statement, ...], BeforeValidator(as_tuple), Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A statement with who made it and where it stands."""

    statement: Statement
    author: str
    file: str
    """As it is told: `vex/openssl.yaml`."""
    line: int

    @property
    def label(self) -> str:
        """What an excused finding says: `vex/openssl.yaml: component_not_present`."""
        return f"{self.file}: {self.statement.reason}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"
