"""Everything once, then everything once more: what slows the machine for a minute slows all of them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.clock import FailedError, Ran, fixed_loop
from bench.stats import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is measured, by the name under which the results ask for it."""

    name: str
    measure: Callable[[], Ran]
    prepare: Callable[[], object] | None = None
    """Done before every run, outside of the time."""
    most: int | None = None
    """Runs that are counted at most, where it takes long."""

    def once(self) -> Ran:
        if self.prepare is not None:
            self.prepare()
        os.sync()  # nobody is to wait for what the one before has written
        return self.measure()


@dataclass(slots=True)
class Measured:
    runs: dict[str, list[Ran]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Name -> why it could not be measured. One failed run is enough."""
    noise: list[float] = field(default_factory=list)
    """Seconds of the fixed loop, before each run."""

    def series(self, name: str, value: Callable[[Ran], float]) -> Series | None:
        if name in self.missing or name not in self.runs:
            return None
        return Series.of(value(ran) for ran in self.runs[name])

    def reason(self, *names: str) -> str:
        return next((self.missing[name] for name in names if name in self.missing), "not asked for")


def interleaved(
    subjects: Sequence[Subject], runs: int, tell: Callable[[str], None], measured: Measured
) -> Measured:
    """A warm-up round that isn't counted, then `runs` rounds of A B C.

    The warm-up shows what can't be measured here, and fills every cache that a user's second run finds full.
    """
    for turn in range(-1, runs):
        for subject in subjects:
            enough = subject.most is not None and turn >= subject.most
            if subject.name not in measured.missing and not enough:
                _take(subject, turn, tell, measured)
    return measured


def _take(subject: Subject, turn: int, tell: Callable[[str], None], measured: Measured) -> None:
    noise = fixed_loop()
    try:
        ran = subject.once()
    except FailedError as error:
        measured.missing[subject.name] = str(error)
        tell(f"{subject.name}: not measured: {error}")
        return
    tell(f"{'warm-up' if turn < 0 else turn + 1}: {subject.name}: {ran.seconds:.3f} s, cpu {ran.cpu:.3f} s")
    if turn >= 0:
        measured.noise.append(noise)
        measured.runs.setdefault(subject.name, []).append(ran)
