"""Which of the locked versions stay, where not all of them can."""

import pytest

from builder.errors import ResolveError
from builder.model.plan import PackageRequest
from builder.packages.held import Held
from builder.packages.index import Candidate, Universe
from builder.packages.keeping import Pins, resolve_keeping
from tests.unit.packages.test_resolve import universe


def pins(of: Universe, kept: str, moved: str = "") -> Pins:
    return Pins(kept=_named(of, kept), moved=_named(of, moved))


def _named(of: Universe, text: str) -> dict[str, Candidate]:
    pairs = [word.split("=") for word in text.split()]
    return {name: next(one for one in of.named(name) if one.version == version) for name, version in pairs}


def solved(of: Universe, kept: str, moved: str = "", *, asked: str = "a") -> str:
    requests = tuple(PackageRequest(name=name, asked_by="image") for name in asked.split())
    found = resolve_keeping(of, requests, Held(), pins(of, kept, moved))
    return ", ".join(f"{one.name} {one.version}" for one in found.packages)


TWO = universe("a 1; Depends: b, c\na 2; Depends: b, c\nb 1\nb 2\nc 1\nc 2")


def test_what_is_kept_stays() -> None:
    assert solved(TWO, "") == "a 2, b 2, c 2"
    assert solved(TWO, "a=1 b=1 c=1") == "a 1, b 1, c 1"
    assert solved(TWO, "a=1 c=1") == "a 1, b 2, c 1"


def test_only_what_is_in_the_way_moves() -> None:
    of = universe("a 1; Depends: b, c\na 2; Depends: b (>= 2), c\nb 1\nb 2\nc 1\nc 2")
    assert solved(of, "b=1 c=1", "a=2") == "a 2, b 2, c 1"


def test_a_chain_of_needs_moves_step_by_step() -> None:
    of = universe(
        "a 1; Depends: b\na 2; Depends: b (>= 2)\nb 1; Depends: c\nb 2; Depends: c (= 2)\nc 1\nc 2\nd 1\nd 2"
    )
    assert solved(of, "b=1 c=1 d=1", "a=2", asked="a d") == "a 2, b 2, c 2, d 1"


def test_siblings_of_one_source_move_together() -> None:
    """As python3.13 and its libraries, which need each other in the very same version."""
    of = universe("a 1; Depends: b (= 1)\na 2; Depends: b (= 2)\nb 1\nb 2\nc 1\nc 2")
    assert solved(of, "a=1 c=1", "b=2", asked="a c") == "a 2, b 2, c 1"


def test_what_breaks_another_moves_it() -> None:
    of = universe("a 1; Depends: b\na 2; Depends: b; Breaks: b (<< 2)\nb 1\nb 2\nc 1\nc 2")
    assert solved(of, "b=1 c=1", "a=2", asked="a c") == "a 2, b 2, c 1"


def test_a_fix_that_can_not_be_had_gives_way() -> None:
    of = universe("a 1\na 2; Depends: nothing\nc 1\nc 2")
    assert solved(of, "c=1", "a=2", asked="a c") == "a 1, c 1"


def test_what_can_not_be_solved_at_all_is_told_as_ever() -> None:
    of = universe("a 1; Depends: nothing\nb 1")
    with pytest.raises(ResolveError) as raised:
        solved(of, "b=1", asked="a b")
    assert str(raised.value) == (
        "image -> a -> nothing: no such package in debian/trixie for amd64; "
        "leave 'a' out, or use another base"
    )


def test_a_kept_provider_stays() -> None:
    of = universe("a 1; Depends: mail\nb 1; Provides: mail\nb 2\nc 1; Provides: mail")
    assert solved(of, "b=1") == "a 1, b 1"
    assert solved(of, "") == "a 1, c 1"
