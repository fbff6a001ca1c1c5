"""What a mutant is, and how one is written down."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from builder.model.beside import Beside
from builder.model.definition import Definition
from builder.model.image import Image
from builder.model.plan import Plan
from builder.model.sbom import StatedSbom
from builder.model.scan import StatedScan

T = TypeVar("T")
Break = Callable[[Image], Image]
RunBreak = Callable[[Definition], Definition]
Sboms = tuple[StatedSbom, ...]
HIDDEN = "no-shadowed-content"
"""Fires too where something lies hidden in a layer below."""


def unchanged(sound: T) -> T:
    return sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    control: str
    name: str
    message: str
    """The first finding of the control, whole."""
    break_: Break = unchanged
    run: RunBreak = unchanged
    """Breaks the rendered run files."""
    plan: Callable[[Plan], Plan] = unchanged
    """Says something else in image.yaml."""
    sboms: Callable[[Sboms], Sboms] = unchanged
    """Writes something else beside the layout."""
    beside: Callable[[Beside], Beside] = unchanged
    """Has something else stand there, or looks on another day."""
    scan: Callable[[StatedScan], StatedScan] = unchanged
    """Another scan.json, another day, other statements."""
    mended: bool = True
    """`enforce` of this control alone makes it sound again."""
    also: tuple[str, ...] = ()
    """Other controls that fire, since they look at the same thing from another side."""
    parameters: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.control}: {self.name}"


def mutant(control: str, name: str, break_: Break, message: str, **more: Any) -> Mutant:
    return Mutant(control=control, name=name, break_=break_, message=message, **more)


def both(*breaks: Break) -> Break:
    def broken(image: Image) -> Image:
        for break_ in breaks:
            image = break_(image)
        return image

    return broken
