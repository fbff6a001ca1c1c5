"""What a control is: one class with its text, its parameters, `enforce` and `audit`."""

import datetime
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from builder.model.base import Strict
from builder.model.beside import NOTHING, Beside, StatedProvenance
from builder.model.contract import RunContract
from builder.model.definition import Definition
from builder.model.image import Image
from builder.model.lock import LockedIndex, LockedPlatform
from builder.model.plan import Plan
from builder.model.report import Finding, Severity
from builder.model.sbom import StatedSbom
from builder.model.scan import StatedScan


class NoParameters(Strict):
    """For controls that are only on or off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A rule of a published standard: always with the standard's version."""

    standard: str
    """`CIS Docker Benchmark 1.6.0`"""
    rule: str
    """`4.1`"""

    def __str__(self) -> str:
        return f"{self.standard} {self.rule}"


class NotAssessed(Exception):  # noqa: N818 - it is an outcome, not an error
    """Raised by `audit` when what it needs is not there (a lock, say); never counts as passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known of an image besides itself. All `None` for an image that others built."""

    plan: Plan | None = None
    lock: LockedPlatform | None = None
    contract: RunContract | None = None
    definition: Definition | None = None
    """As it stands on the disk: the Dockerfile, and how people are told to start the image."""
    sboms: tuple[StatedSbom, ...] | None = None
    """As they stand on the disk, one for each form."""
    beside: Beside = NOTHING
    """What else stands there, and the day."""

    scan: StatedScan | None = None
    """As it stands on the disk, with the day and the VEX statements that it is held against."""

    def known_plan(self) -> Plan:
        if self.plan is None:
            raise NotAssessed("no plan: the image was not built from an image.yaml here")
        return self.plan

    def known_contract(self) -> RunContract:
        if self.contract is None:
            raise NotAssessed("no run contract: nobody said how the image is started")
        return self.contract

    def known_definition(self) -> Definition:
        if self.definition is None:
            raise NotAssessed("no run files: nobody said how the image is started")
        return self.definition

    def known_sboms(self) -> tuple[StatedSbom, ...]:
        if self.sboms is None:
            raise NotAssessed("no SBOM: the image was not built from an image.yaml here")
        return self.sboms

    def known_dockerfile(self) -> str:
        files = self.definition.files if self.definition is not None else ()
        for file in files:
            if file.path == "Dockerfile":
                return file.text
        raise NotAssessed("no Dockerfile: nobody said how the image was put together")

    def known_indexes(self) -> tuple[LockedIndex, ...]:
        if self.beside.indexes is None:
            raise NotAssessed("no lock: the image was not built from an image.lock.json here")
        return self.beside.indexes

    def known_provenance(self) -> StatedProvenance:
        if self.beside.provenance is None:
            raise NotAssessed("no provenance: the image was not built from an image.yaml here")
        return self.beside.provenance

    def known_day(self) -> datetime.date:
        if self.beside.today is None:
            raise NotAssessed("no date: nobody said what day it is")
        return self.beside.today

    def known_scan(self) -> StatedScan:
        if self.scan is None:
            raise NotAssessed("nobody scanned this image; run `temper scan`")
        return self.scan

    def known_lock(self) -> LockedPlatform:
        if self.lock is None:
            raise NotAssessed("no lock: the image was not built from an image.lock.json here")
        return self.lock


P = TypeVar("P", bound=Strict)


class Control(ABC, Generic[P]):
    """Stateless. The catalogue holds one instance of each."""

    key: ClassVar[str]
    """Short kebab-case name, used in profiles, reports and tests: `no-setuid`."""
    title: ClassVar[str]
    """What holds when it passes, as a sentence without full stop."""
    why: ClassVar[str]
    """The attack or accident that it prevents, in one or two sentences."""
    remedy: ClassVar[str]
    """What a person does about a finding that `enforce` could not mend."""
    foreign_remedy: ClassVar[str] = ""
    """The same where the image is others' and nothing but itself is there; empty where it does not differ."""
    severity: ClassVar[Severity]
    references: ClassVar[tuple[Reference, ...]] = ()
    parameters: ClassVar[type[Strict]] = NoParameters
    looks_beside: ClassVar[bool] = False
    """Its audit holds what stands beside the image against the image's digest, and looks at no file of it."""

    def enforce(self, image: Image, parameters: P, context: Context) -> Image:
        """Changes the tree or the config so that `audit` finds nothing. Pure; by default changes nothing."""
        return image

    def remedy_for(self, *, foreign: bool) -> str:
        return (foreign and self.foreign_remedy) or self.remedy

    @abstractmethod
    def audit(self, image: Image, parameters: P, context: Context) -> Iterable[Finding]:
        """Looks at the finished image, all layers included. Raises `NotAssessed` rather than guess."""


AnyControl = Control[Any]
