"""The waivers of a chain of profiles: which one counts, and whether somebody still answers for it."""

import datetime
from collections.abc import Iterator, Sequence

from builder.config.asked import Catalogue, written_controls
from builder.config.chain import Link, complete
from builder.config.problems import Problem, suggested
from builder.model.profile import Waiver


def effective_waivers(
    links: Sequence[Link], catalogue: Catalogue, today: datetime.date
) -> tuple[tuple[Waiver, ...], tuple[Problem, ...]]:
    """The nearest waiver of a control counts, so a profile can renew what its parent let expire.

    On its last day a waiver still holds.
    """
    kept: dict[str, Waiver] = {}
    problems: list[Problem] = []
    named = {key for link in links for key in written_controls(link)}
    for link in links:
        for number, waiver in enumerate(link.profile.waivers if link.profile else ()):
            if kept.setdefault(waiver.control, waiver) is not waiver:
                continue
            idle = complete(links) and waiver.control not in named
            wrong = [*_reference(waiver, catalogue, idle), *_answer(waiver, today)]
            problems += [link.document.problem(("waivers", number, at), text) for at, text in wrong]
    return tuple(kept[key] for key in catalogue if key in kept), tuple(problems)


def _reference(waiver: Waiver, catalogue: Catalogue, idle: bool) -> Iterator[tuple[str, str]]:
    if waiver.control not in catalogue:
        yield "control", f"unknown control '{waiver.control}'{suggested(waiver.control, catalogue)}"
    elif idle:
        yield "control", f"no profile asks for '{waiver.control}'; remove the waiver"


def _answer(waiver: Waiver, today: datetime.date) -> Iterator[tuple[str, str]]:
    if not waiver.reason.strip():
        yield "reason", "an empty reason; say why"
    if waiver.expires < today:
        text = f"the waiver of '{waiver.control}' expired on {waiver.expires}"
        yield "expires", f"{text}; mend what it waives, or answer for it until a new date"
