"""Rounds in turn; what can't be measured is told once and left out."""

from bench.clock import FailedError, Ran, failure
from bench.rounds import Measured, Subject, interleaved


def subject(name: str, seen: list[str], *, reason: str = "") -> Subject:
    def measure() -> Ran:
        seen.append(name)
        if reason:
            raise FailedError(reason)
        return Ran(seconds=float(len(seen)), cpu=0.5, peak=1)

    return Subject(name=name, measure=measure)


def test_every_round_takes_each_in_turn_after_a_round_that_is_not_counted() -> None:
    seen: list[str] = []
    measured = interleaved([subject("a", seen), subject("b", seen)], 2, lambda _: None, Measured())
    assert seen == ["a", "b"] * 3
    assert [ran.seconds for ran in measured.runs["a"]] == [3.0, 5.0]
    assert len(measured.noise) == 4


def test_what_fails_is_tried_once_and_its_reason_kept() -> None:
    seen: list[str] = []
    both = [subject("a", seen, reason="no engine"), subject("b", seen)]
    measured = interleaved(both, 2, lambda _: None, Measured())
    assert seen == ["a", "b", "b", "b"]
    assert measured.series("a", lambda ran: ran.seconds) is None
    assert measured.reason("a") == "no engine"


def test_preparing_comes_before_every_run() -> None:
    seen: list[str] = []
    plain = subject("a", seen)
    prepared = Subject(name="a", measure=plain.measure, prepare=lambda: seen.append("prepare"))
    interleaved([prepared], 1, lambda _: None, Measured())
    assert seen == ["prepare", "a", "prepare", "a"]


def test_the_reason_of_a_failure_is_what_apt_says_went_wrong() -> None:
    said = "Get:1 things\nE: Unable to locate package nonesuch\nThe command returned a non-zero code: 100\n"
    assert failure("/usr/bin/docker", 1, said) == "docker ended with 1: E: Unable to locate package nonesuch"


def test_the_reason_of_a_failure_is_else_the_last_line() -> None:
    assert failure("tool", 2, "first\n\nlast\n\n") == "tool ended with 2: last"
    assert failure("tool", 2, "") == "tool ended with 2: it said nothing"


def test_what_takes_long_is_counted_in_fewer_rounds() -> None:
    done: list[str] = []

    def measure(name: str) -> Ran:
        done.append(name)
        return Ran(seconds=1.0, cpu=1.0, peak=0)

    subjects = (
        Subject(name="a", measure=lambda: measure("a"), most=1),
        Subject(name="b", measure=lambda: measure("b")),
    )
    measured = interleaved(subjects, 3, lambda _: None, Measured())
    assert done == ["a", "b", "a", "b", "b", "b"]
    assert {name: len(runs) for name, runs in measured.runs.items()} == {"a": 1, "b": 3}
