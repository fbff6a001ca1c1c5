"""The result of the live suites, and the lines in which the suites' process reports them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from builder.model.base import Strict
from builder.model.report import CheckResult, Outcome, SeccompRow
from builder.model.spec import Strings


class Line(Strict):
    """One line of the results file. The last one is `finished`: without it the run was cut off."""

    kind: str
    """`planned` (tests that were chosen), `test`, `collect` (a file that can't be read), `engine` (the engine
    or the container is gone) or `finished`."""
    name: str = ""
    node: str = ""
    """Which test, in pytest's terms: a test has a second line where its tear-down failed."""
    controls: Strings = ()
    outcome: Outcome = Outcome.NOT_RUN
    message: str = ""
    seconds: float = 0.0
    count: int = 0

    def check(self) -> CheckResult:
        return CheckResult(name=self.name, outcome=self.outcome, message=self.message, seconds=self.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveResult:
    """What was seen in the running container. A control without a check here was not proven live."""

    controls: Mapping[str, tuple[CheckResult, ...]] = field(default_factory=dict)
    """Control key -> the checks that prove it."""
    suites: tuple[CheckResult, ...] = ()
    """Checks of no control: the run contract's, and the image's own."""
    gpu: tuple[CheckResult, ...] = ()
    """How the image meets a GPU, where that was asked for."""
    seccomp: SeccompRow | None = None
    """For a contract with a profile of its own."""
    not_run: tuple[str, ...] = ()
    """What was not checked and why."""

    @property
    def ran(self) -> bool:
        return bool(self.controls or self.suites)


def not_run(reason: str) -> LiveResult:
    """For builds without an engine."""
    return LiveResult(not_run=(f"live suites: {reason}",))
