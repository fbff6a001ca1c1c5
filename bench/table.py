"""Results as Markdown. A row without a figure gives the reason; it never counts as reached."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.stats import Series

MEGA = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    limit: float
    text: str
    """As design.md has it: `<= 0.7 s`."""
    at_least: bool = False

    def reached(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    what: str
    series: Series | None
    """None where it was not measured; then `reason` says why."""
    form: Callable[[float], str]
    goal: Goal | None = None
    reason: str = ""
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        if self.series is None:
            return (self.what, f"not measured: {self.reason}", "", *self._goal("not measured"), self.note)
        low, high = self.form(self.series.low), self.form(self.series.high)
        reached = self.goal is not None and self.goal.reached(self.series.median)
        span = "" if low == high else f"{low} to {high}"
        verdict = "reached" if reached else "missed"
        return (self.what, self.form(self.series.median), span, *self._goal(verdict), self.note)

    def _goal(self, verdict: str) -> tuple[str, str]:
        return (self.goal.text, verdict) if self.goal is not None else ("", "")


def seconds(value: float) -> str:
    if abs(value) < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if abs(value) < 10 else f"{value:.1f} s"


def megabytes(value: float) -> str:
    return f"{value / MEGA:.1f} MB"


def ratio(value: float) -> str:
    return f"{value:.1f} x" if value < 100 else f"{value:.0f} x"


def number(value: float) -> str:
    return f"{value:,.0f}"


def rows_text(rows: Iterable[Row]) -> str:
    return table(
        ("what", "median", "min to max", "goal", "", "remarks"),
        [row.cells() for row in rows],
    )


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; a bar inside a cell would end it."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
