"""What a chain of profiles asks for: controls with merged parameters, and limits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from pydantic import ValidationError

from builder.config.chain import Link, complete
from builder.config.merging import merged
from builder.config.parse import validated
from builder.config.problems import Location, Problem, suggested
from builder.config.wording import problem_of
from builder.controls.frame import AnyControl
from builder.model.base import Strict
from builder.model.plan import PlannedControl, SwitchedOff
from builder.model.profile import DEFAULTS, Off, RunSettings
from builder.model.scan import SCAN_DEFAULTS, ScanSettings

Catalogue = Mapping[str, AnyControl]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    controls: tuple[PlannedControl, ...]
    switched_off: tuple[SwitchedOff, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What the profiles read so far, farthest first, say about one control."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    off: str | None = None
    links: tuple[Link, ...] = ()
    """Who had a say since it was last switched off, nearest first."""
    complete: bool = True
    """False where a profile of the chain is unknown: what is missing here may stand there."""


def ask(links: Sequence[Link], catalogue: Catalogue) -> Asked:
    """In the catalogue's order. Raises nothing: see `problems`."""
    problems: list[Problem] = []
    wishes: dict[str, _Wish] = {}
    nothing = _Wish(complete=complete(links))
    for link in reversed(links):
        for key, value in written_controls(link).items():
            wrong = list(_wrong_form(link, key, value, catalogue))
            problems += wrong
            if not wrong:
                wishes[key] = _wished(wishes.get(key, nothing), link, value)
    return Asked(
        controls=tuple(_planned(wishes, catalogue, problems)),
        switched_off=tuple(_switched_off(wishes, catalogue)),
        problems=tuple(problems),
    )


def written_controls(link: Link) -> dict[str, Any]:
    """As they were written: one bad value must not keep the others from being checked."""
    data = link.document.data
    controls = data.get("controls") if isinstance(data, dict) else None
    return controls if isinstance(controls, dict) else {}


def _wrong_form(link: Link, key: str, value: Any, catalogue: Catalogue) -> Iterator[Problem]:
    at: Location = ("controls", key)
    if key not in catalogue:
        yield link.document.problem(at, f"unknown control{suggested(key, catalogue)}")
    elif isinstance(value, dict) and "off" in value:
        off, problems = validated(Off, value, link.document, at)
        yield from problems
        if off is not None and not off.off.strip():
            yield link.document.problem((*at, "off"), "an empty reason; say why")
    elif value is not True and not isinstance(value, dict):
        yield link.document.problem(at, _not_a_switch(value, link.document.texts.get(at)))


def _not_a_switch(value: Any, written: str | None) -> str:
    how = "write true, a mapping of parameters, or {off: reason}"
    if written is not None and written.lower() in {"false", "no", "off"}:
        return f"'{written}' gives no reason; write {{off: reason}}"
    if isinstance(value, list):
        return f"a list says nothing here; {how}"
    return f"'{written or value}' says nothing here; {how}" if written != "" else f"no value; {how}"


def _wished(before: _Wish, link: Link, value: Any) -> _Wish:
    parameters = {} if value is True else value
    if "off" in parameters:
        return _Wish(off=parameters["off"], links=(link,))
    if before.off is not None:
        return _Wish(parameters=parameters, links=(link,))
    return replace(before, parameters=merged(before.parameters, parameters), links=(link, *before.links))


def _planned(
    wishes: Mapping[str, _Wish], catalogue: Catalogue, problems: list[Problem]
) -> Iterator[PlannedControl]:
    for key, control in catalogue.items():
        wish = wishes.get(key)
        if wish is None or wish.off is not None:
            continue
        try:
            parameters: Strict = control.parameters.model_validate(
                wish.parameters, by_alias=True, by_name=False
            )
        except ValidationError as error:
            problems += _wrong_parameters(key, wish, control, error)
        else:
            yield PlannedControl(key=key, parameters=parameters, asked_by=wish.links[0].name)


def _wrong_parameters(
    key: str, wish: _Wish, control: AnyControl, error: ValidationError
) -> Iterator[Problem]:
    """Each at the line of the nearest profile that says it."""
    for detail in error.errors(include_url=False):
        if detail["type"] == "missing" and not wish.complete:
            continue
        at: Location = ("controls", key, *detail["loc"])
        says = next((link for link in wish.links if at in link.document.lines), wish.links[0])
        yield problem_of(detail, control.parameters, says.document, ("controls", key))


def _switched_off(wishes: Mapping[str, _Wish], catalogue: Catalogue) -> Iterator[SwitchedOff]:
    for key in catalogue:
        wish = wishes.get(key)
        if wish is not None and wish.off is not None:
            yield SwitchedOff(key=key, reason=wish.off, by=wish.links[0].name)


def run_settings(links: Iterable[Link], defaults: RunSettings = DEFAULTS) -> RunSettings:
    """Key by key, the nearest profile that says something; else the defaults."""
    said = [link.profile.run.model_dump(exclude_none=True) for link in links if link.profile]
    return RunSettings(**reduce(merged, reversed(said), defaults.model_dump()))


def scan_settings(links: Iterable[Link]) -> ScanSettings:
    """As `run_settings`. Pins are replaced program by program."""
    said = [link.profile.scan.model_dump(exclude_none=True) for link in links if link.profile]
    return ScanSettings(**reduce(merged, reversed(said), SCAN_DEFAULTS.model_dump()))
