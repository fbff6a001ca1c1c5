"""`image.yaml` and `profiles/<name>.yaml` -> `ImageSpec` and `Profile`, with every problem at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from builder.config.document import Document, read
from builder.config.problems import Location, Problem
from builder.config.variants import varied
from builder.config.wording import MISSING, problem_of
from builder.errors import InputError
from builder.model.profile import Profile
from builder.model.spec import ImageSpec

M = TypeVar("M", bound=BaseModel)

STAND_INS = {
    "description": "unknown",
    "base": "debian/trixie",
    "entrypoint": ["unknown"],
    "title": "unknown",
}
"""For required keys that are wrong: so the rest can be checked in the same run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed(Generic[M]):
    document: Document
    value: M | None
    """What could be understood: wrong keys left out, required ones by a stand-in; None if nothing could."""
    problems: tuple[Problem, ...]


def parse_image(path: Path, variant: str = "") -> ImageSpec:
    """Raises `InputError` with every problem of form. Whether the files exist is `make_plan`'s to say."""
    result = parsed(path, ImageSpec)
    found = _sound(result)
    return _sound(understood(varied(result.document, variant), ImageSpec)) if variant else found


def parse_profile(path: Path) -> Profile:
    """Raises `InputError` with every problem of form. Controls are checked by `make_plan`."""
    return _sound(parsed(path, Profile))


def _sound(result: Parsed[M]) -> M:
    if result.problems or result.value is None:
        raise InputError(str(problem) for problem in result.problems)
    return result.value


def parsed(path: Path, model: type[M]) -> Parsed[M]:
    return understood(read(path), model)


def understood(document: Document, model: type[M]) -> Parsed[M]:
    if not document.readable:
        return Parsed(document=document, value=None, problems=tuple(document.problems))
    if document.data is None:
        required = [name for name, field in model.model_fields.items() if field.is_required()]
        empty = document.problem((), f"empty; write at least: {', '.join(required)}")
        return Parsed(document=document, value=None, problems=(empty,))
    value, problems = validated(model, document.data, document, ())
    if problems and isinstance(document.data, dict):
        value = _salvaged(model, document.data, problems)
    return Parsed(document=document, value=value, problems=problems)


def validated(
    model: type[M], data: Any, document: Document, root: Location
) -> tuple[M | None, tuple[Problem, ...]]:
    """Problems of the YAML at or below `root` come along; where there is one, pydantic's are left out."""
    first = [problem for problem in document.problems if problem.within(root)]
    try:
        return model.model_validate(data, by_alias=True, by_name=False), in_order(first)
    except ValidationError as error:
        found = [problem_of(detail, model, document, root) for detail in error.errors(include_url=False)]
        return None, in_order([*first, *news(without_misspelt(found), first)])


def without_misspelt(problems: list[Problem]) -> list[Problem]:
    """A key that is missing since it was misspelt is one problem, not two."""
    meant = {(problem.at[:-1], problem.text.partition("did you mean ")[2]) for problem in problems}
    return [
        problem
        for problem in problems
        if problem.text != MISSING or (problem.at[:-1], f"'{problem.at[-1]}'?") not in meant
    ]


def news(problems: Iterable[Problem], told: Iterable[Problem]) -> list[Problem]:
    """Without those that only follow from one which was told already."""
    places = [problem.at for problem in told]
    return [problem for problem in problems if not any(problem.within(place) for place in places)]


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.line))


def _salvaged(model: type[M], data: dict[str, Any], problems: Iterable[Problem]) -> M | None:
    wrong = {problem.at[0] for problem in problems if problem.at}
    left = {key: value for key, value in data.items() if key not in wrong}
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    try:
        return model.model_validate({**{name: STAND_INS[name] for name in required}, **left})
    except ValidationError:
        return None
