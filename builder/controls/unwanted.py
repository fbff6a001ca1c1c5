"""Programs that a hardened runtime has no business with, found by name in every layer."""

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field

from builder.controls.edit import mend
from builder.controls.frame import Context, Control
from builder.controls.lists import Family
from builder.controls.programs import is_program
from builder.controls.survey import survey
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding
from builder.model.spec import Strings
from builder.model.tree import Entry


class Allowed(Strict):
    allow: Strings = Field(default=(), description="names of programs that may stay")


class NoPrograms(Control[Allowed]):
    """By name: a shell that somebody copies to another name is seen by `owned-files`, not here."""

    families: ClassVar[tuple[Family, ...]]
    parameters = Allowed

    def enforce(self, image: Image, parameters: Allowed, context: Context) -> Image:
        names = frozenset().union(*(family.names for family in self.families)).difference(parameters.allow)

        def removed(entry: Entry) -> Entry | None:
            return None if entry.path.rpartition("/")[2] in names and is_program(entry) else entry

        return mend(image, removed)

    def audit(self, image: Image, parameters: Allowed, context: Context) -> Iterable[Finding]:
        found = survey(image)
        for family in self.families:
            for name in sorted(family.names.difference(parameters.allow)):
                for placed in found.named(name):
                    if is_program(placed.entry):
                        yield placed.finding(family.what)
