"""Medians and ranges: of few runs on a machine that others use too, nothing finer means anything."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Series:
    """The same thing measured several times."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> "Series":
        """Raises `ValueError` where nothing was measured."""
        found = tuple(values)
        if not found:
            raise ValueError("a series needs at least one value")
        return cls(found)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    @property
    def spread(self) -> float:
        """(largest - smallest) / median; 0.1 is 10 %."""
        return (self.high - self.low) / self.median if self.median else 0.0

    def minus(self, other: "Series") -> "Series":
        """Run by run, as they were made side by side."""
        return Series.of(mine - theirs for mine, theirs in zip(self.values, other.values, strict=True))


def times(peer: Series, ours: Series) -> Series:
    """How many times longer the peer takes, run by run: what slows a round down slows both."""
    return Series.of(theirs / mine for theirs, mine in zip(peer.values, ours.values, strict=True))
