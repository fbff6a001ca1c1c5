"""What programs answered, read as if a stranger had written it: any list, field or number may be missing."""

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from builder.controls.inventory import inventory
from builder.model.scan import Rating
from builder.scan.program import NotAssessedError, Said
from builder.scan.target import Target

CVE = re.compile(r"CVE-\d{4}-\d{4,}")
DAY = re.compile(r"(\d{4}-\d\d-\d\d)(T|$)")
RATINGS = {rating.value: rating for rating in Rating}
Row = dict[str, Any]


def document(said: Said) -> Row:
    """The whole answer. Raises `NotAssessedError` for half of one, and for none."""
    if not said.answer.strip():
        raise NotAssessedError(f"it answered nothing: {said.last}")
    try:
        found = json.loads(said.answer)
    except (ValueError, RecursionError):
        raise NotAssessedError(
            f"its answer of {len(said.answer):,} bytes is no JSON, or breaks off"
        ) from None
    if not isinstance(found, dict):
        raise NotAssessedError("its answer is no JSON object")
    if said.code != 0:
        raise NotAssessedError(f"it ended with {said.code}, though nothing asks it to: {said.last}")
    return found


def rows(data: Any, *way: str) -> Iterator[Row]:
    """The objects of a list; nothing where the list is missing or none."""
    found = at(data, *way)
    yield from (row for row in (found if isinstance(found, list) else ()) if isinstance(row, dict))


def at(data: Any, *way: str) -> Any:
    for step in way:
        data = data.get(step) if isinstance(data, dict) else None
    return data


def text(data: Any, *way: str) -> str:
    """Empty where it is missing or no text."""
    found = at(data, *way)
    return found.strip() if isinstance(found, str) else ""


def rating(word: str) -> Rating:
    return RATINGS.get(word.lower(), Rating.UNKNOWN)


def day(written: str) -> str:
    """`2026-11-21T06:12:00Z` -> `2026-11-21`; empty for what is none."""
    match = DAY.match(written)
    return match[1] if match else ""


def days_old(day: str, today: date) -> int:
    return (today - date.fromisoformat(day)).days


def fresh(day: str, today: date, allowed: int) -> None:
    """Raises `NotAssessedError` for data that is too old, or of no known age."""
    if not day:
        raise NotAssessedError("its database doesn't say how old it is")
    age = days_old(day, today)
    if age > allowed:
        raise NotAssessedError(
            f"its database is of {day}, {age} days old, and the profile allows {allowed}; "
            "run `temper scan --update`"
        )


def distribution_known(known: bool, target: Target) -> None:
    """Raises `NotAssessedError` where a distribution's packages are there and nobody looked them up."""
    if not known and inventory(target.image).debs:
        raise NotAssessedError("didn't recognise the distribution, and so looked up none of its packages")


def left_out(count: int) -> tuple[str, ...]:
    return (f"what {count} findings are that it left out by rules of its own",) if count else ()


def by_cve(id: str, others: Iterator[str]) -> tuple[str, tuple[str, ...]]:  # noqa: A002 - the field's word
    """The CVE's name first, where one of the names is one."""
    names = list(dict.fromkeys(name for name in (id, *others) if name))
    cves = [name for name in names if CVE.fullmatch(name)]
    first = id if CVE.fullmatch(id) or not cves else cves[0]
    return first, tuple(sorted(name for name in names if name != first))
