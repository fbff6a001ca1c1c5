"""Controls, a day and a sound workspace for the tests of configuration; the cases as files.

A case is a folder of `tests/cases/config/`: what a team wrote (`images/`, `profiles/`), laid over
`sound/`, and `expected.txt`, the whole message. `python -m tests.unit.config.cases` writes the
expectations again.
"""

import contextlib
import datetime
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from builder.config.plan import make_plan
from builder.config.workspace import Workspace
from builder.controls.frame import AnyControl, Context, Control, NoParameters
from builder.errors import InputError
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.plan import Plan
from builder.model.report import Finding, Severity
from builder.model.spec import as_tuple

CASES = Path(__file__).parents[2] / "cases" / "config"
SOUND = CASES / "sound"
TODAY = datetime.date(2026, 11, 22)


class Account(Strict):
    uid: Annotated[int, Field(ge=1)] = 65532
    gid: Annotated[int, Field(ge=1)] = 65532


class Limit(Strict):
    megabytes: Annotated[int, Field(gt=0)]


class Ownership(Strict):
    modes: dict[str, int] = {}
    except_paths: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()


class _Test(Control[Strict]):
    title = "A control of the tests"
    why = "Tests need one."
    remedy = "None."
    severity = Severity.LOW

    def audit(self, image: Image, parameters: Strict, context: Context) -> Iterable[Finding]:  # noqa: ARG002
        return ()


def control(name: str, parameters_type: type[Strict] = NoParameters) -> AnyControl:
    class One(_Test):
        key = name
        parameters = parameters_type

    return One()


CATALOGUE: dict[str, AnyControl] = {
    one.key: one
    for one in (
        control("nonroot-user", Account),
        control("no-shell"),
        control("owners", Ownership),
        control("max-size", Limit),
        control("healthcheck"),
    )
}


def plan(case: Path, profile: str = "bank") -> Plan:
    return make_plan(Workspace((case, SOUND), case), "app", profile, CATALOGUE, TODAY)


def message(case: Path) -> str:
    """What planning `app` under `bank` in the case's folder says, which must be an error."""
    with contextlib.chdir(case):
        try:
            plan(case)
        except InputError as error:
            return str(error) + "\n"
    raise AssertionError(f"{case.name}: no error")


def cases() -> list[Path]:
    return sorted(path.parent for path in CASES.glob("*/expected.txt"))


def rewrite() -> None:
    for case in cases():
        (case / "expected.txt").write_text(message(case))


if __name__ == "__main__":
    rewrite()
