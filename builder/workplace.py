"""What every verb needs: where images stand, where downloads are kept, whom to tell, what is allowed."""

import os
import platform as host
from dataclasses import dataclass
from datetime import UTC, date, datetime

from builder.config.plan import make_plan
from builder.config.workspace import Workspace
from builder.controls.catalogue import BY_KEY
from builder.errors import InputError
from builder.model.plan import Plan
from builder.packages.store import Store
from builder.progress import Progress

EPOCH = "SOURCE_DATE_EPOCH"
MACHINES = {"x86_64": "linux/amd64", "aarch64": "linux/arm64", "arm64": "linux/arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    workspace: Workspace
    store: Store
    progress: Progress
    offline: bool = False
    """Never use the network."""
    locked: bool = False
    """Never make a new lock."""


def plan(place: Workplace, image: str, profile: str) -> Plan:
    """The plan, and a note for every built-in image or profile that a file here hides."""
    planned = make_plan(place.workspace, image, profile, BY_KEY, today())
    for overridden in place.workspace.overridden():
        place.progress.note(str(overridden))
    return planned


def today() -> date:
    """Decides which waivers have expired: in UTC, so that it doesn't depend on where the machine stands."""
    return datetime.now(tz=UTC).date()


def host_platform() -> str:
    return MACHINES.get(host.machine(), f"linux/{host.machine()}")


def chosen_platform(planned: Plan, wanted: str | None) -> str:
    """The platform to build for: this machine's unless one is named.

    Raises `InputError` where the image isn't made for it.
    """
    found = wanted or host_platform()
    if found not in planned.spec.platforms:
        there = ", ".join(planned.spec.platforms)
        raise InputError(f"--platform: image '{planned.image}' is not made for '{found}'; it has: {there}")
    return found


def created(lock_date: int) -> int:
    """Seconds since the epoch that no mtime in the image exceeds: SOURCE_DATE_EPOCH, else the lock's date.

    Source: reproducible-builds.org, SOURCE_DATE_EPOCH specification 1.1.
    """
    text = os.environ.get(EPOCH, "")
    if not text:
        return lock_date
    if not text.isdecimal() or int(text) >= 2**33:
        raise InputError(
            f"SOURCE_DATE_EPOCH: '{text}' is not a number of seconds since 1970; correct or unset it"
        )
    return int(text)
