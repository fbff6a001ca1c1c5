"""What the suites' process is told of the container that it looks into."""

from pathlib import Path
from typing import Any

from builder.model.base import Strict
from builder.model.contract import RunContract
from builder.model.lock import LockedPlatform
from builder.model.plan import Plan
from builder.model.spec import Healthcheck, Strings


class Subject(Strict):
    """Written as JSON by the runner, read by the pytest plugin."""

    container: str
    """The engine's id of it."""
    layout: str
    """Folder of the OCI layout that the image was loaded from."""
    contract: RunContract
    controls: Strings
    """Keys of the controls that the profile asks for: only their tests are run."""
    known: Strings
    """Keys of all controls there are: a marker with another one is a mistake, and would never be run."""
    packages: Strings
    """Debian packages that were asked for by name."""
    locked: Strings = ()
    """`name version` of every Debian package of the lock; none where there is no lock."""
    python: str | None
    """`3.13`, or no Python."""
    healthcheck: Healthcheck | None
    tracer: Strings = ()
    """What the probe shell is run under, while system calls are recorded."""
    held: str = ""
    """Why the container runs the toolbox's `sleep` in the place of its own program; empty when it doesn't."""
    refused: dict[str, str] = {}
    """What the engine could not set, and its reason; `contract` has the rest."""
    inspected: dict[str, Any]
    """What the engine says of the container, without the toolbox's mount."""


def make_subject(
    plan: Plan, contract: RunContract, layout: Path, lock: LockedPlatform | None, **container: Any
) -> Subject:
    """`container` holds `container`, `held`, `refused`, `tracer`, `inspected` and `known`."""
    return Subject(
        layout=str(layout),
        contract=contract,
        controls=tuple(control.key for control in plan.controls),
        packages=tuple(sorted({request.name for request in plan.packages})),
        locked=tuple(f"{item.name} {item.version}" for item in lock.packages) if lock else (),
        python=plan.spec.python.version if plan.spec.python else None,
        healthcheck=plan.spec.healthcheck,
        **container,
    )
