"""Medians, ranges and ratios of few values."""

import pytest

from bench.stats import Series, times


def test_the_median_of_an_even_number_of_runs_lies_between_the_middle_two() -> None:
    assert Series.of([4.0, 1.0, 2.0, 9.0]).median == 3.0


def test_the_spread_is_the_range_in_terms_of_the_median() -> None:
    series = Series.of([0.9, 1.0, 1.2])
    assert (series.low, series.high) == (0.9, 1.2)
    assert series.spread == pytest.approx(0.3)


def test_a_series_of_zeros_has_no_spread() -> None:
    assert Series.of([0.0, 0.0]).spread == 0.0


def test_a_ratio_is_taken_round_by_round() -> None:
    """A round in which the machine was half as fast changes no ratio."""
    assert times(Series.of([10.0, 20.0, 10.0]), Series.of([1.0, 2.0, 1.0])).values == (10.0, 10.0, 10.0)


def test_a_difference_is_taken_round_by_round() -> None:
    assert Series.of([3.0, 5.0]).minus(Series.of([1.0, 2.0])).values == (2.0, 3.0)


def test_nothing_measured_is_no_series() -> None:
    with pytest.raises(ValueError, match=r"^a series needs at least one value$"):
        Series.of([])


def test_rounds_that_do_not_pair_up_are_refused() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        times(Series.of([1.0, 2.0]), Series.of([1.0]))
