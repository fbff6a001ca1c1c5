"""A row tells reached, missed and not measured apart, and never takes one for another."""

from bench.stats import Series
from bench.table import Goal, Row, megabytes, number, ratio, rows_text, seconds, table

FAST = Goal(limit=0.7, text="<= 0.7 s")
MANY = Goal(limit=6, text=">= 6 x", at_least=True)


def test_a_row_with_its_range_and_goal() -> None:
    row = Row(what="warm build", series=Series.of([0.6, 0.65, 0.8]), form=seconds, goal=FAST)
    assert row.cells() == ("warm build", "650 ms", "600 ms to 800 ms", "<= 0.7 s", "reached", "")


def test_the_median_decides_whether_a_goal_is_reached() -> None:
    row = Row(what="warm build", series=Series.of([0.6, 0.71, 0.8]), form=seconds, goal=FAST)
    assert row.cells()[4] == "missed"


def test_a_goal_that_wants_more_is_missed_below_it() -> None:
    assert [MANY.reached(value) for value in (5.9, 6.0, 7.0)] == [False, True, True]


def test_what_was_not_measured_says_why_and_never_counts_as_reached() -> None:
    row = Row(what="extract", series=None, form=ratio, goal=MANY, reason="mmdebstrap is not installed")
    told = "not measured: mmdebstrap is not installed"
    assert row.cells() == ("extract", told, "", ">= 6 x", "not measured", "")


def test_a_row_without_goal_has_no_verdict() -> None:
    row = Row(what="files", series=Series.of([1424]), form=number, note="counted once")
    assert row.cells() == ("files", "1,424", "", "", "", "counted once")


def test_figures_as_people_read_them() -> None:
    assert [seconds(value) for value in (0.0421, 0.9, 1.234, 12.34)] == [
        "42 ms",
        "900 ms",
        "1.23 s",
        "12.3 s",
    ]
    assert [ratio(value) for value in (6.04, 99.9, 150.4)] == ["6.0 x", "99.9 x", "150 x"]
    assert megabytes(42_350_808) == "42.4 MB"


def test_a_bar_inside_a_cell_does_not_end_it() -> None:
    assert table(("a", "b"), [("x | y", "z")]) == "| a | b |\n| --- | --- |\n| x \\| y | z |\n"


def test_the_table_of_rows_has_a_head() -> None:
    row = Row(what="files", series=Series.of([2]), form=number)
    head = "| what | median | min to max | goal |  | remarks |\n| --- | --- | --- | --- | --- | --- |\n"
    assert rows_text([row]) == f"{head}| files | 2 |  |  |  |  |\n"
