"""`profiles/<name>.yaml` as a type: which controls hold, with which parameters, and how the image is run."""

import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from builder.model.base import Strict
from builder.model.spec import Size, Strings, as_tuple


def as_date(value: Any) -> Any:
    """Quoted dates are strings in YAML; strict pydantic wants a `date`."""
    try:
        return datetime.date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"'{value}' is not a date; write year-month-day, such as 2027-03-31") from None


class Waiver(Strict):
    """A failing control that somebody answers for until a date; shown in every report."""

    control: str
    reason: Annotated[str, Field(min_length=1)]
    expires: Annotated[datetime.date, BeforeValidator(as_date)]


class Off(Strict):
    """A control of the parent profile that is switched off, and why."""

    off: Annotated[str, Field(min_length=1)]


class RunSettings(Strict):
    """Limits of the run contract; `None` means: what the parent profile says."""

    memory: Size | None = None
    pids: Annotated[int, Field(ge=1)] | None = None
    cpus: Annotated[float, Field(gt=0)] | None = None
    shm: Size | None = None


class Profile(Strict):
    title: str
    description: str = ""
    extends: str | None = None
    packages: Strings = ()
    """Packages that this profile adds to every image (a shell for debugging, say)."""
    controls: dict[str, Any] = {}
    """Control key -> `true`, a mapping of parameters, or `{off: reason}`; checked against the catalogue."""
    run: RunSettings = RunSettings()
    waivers: Annotated[tuple[Waiver, ...], BeforeValidator(as_tuple)] = ()
