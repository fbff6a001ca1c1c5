"""What stands beside a layout, and the day on which somebody looks: what checks compare, and no more."""

import datetime
from dataclasses import dataclass

from builder.model.lock import LockedIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedProvenance:
    """What `provenance.json` says."""

    digest: str = ""
    """Of the image that it is about."""
    inputs: frozenset[str] = frozenset()
    """SHA-256, hex, of everything that went in."""
    epoch: int | None = None
    """SOURCE_DATE_EPOCH, where somebody had set it."""
    problem: str = ""
    """Why it can't be read: `is missing`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedPublication:
    """What `published.json` says: `temper publish` wrote it when everything was in the registry."""

    digest: str
    """Of the image that it is about."""
    references: tuple[tuple[str, bool], ...]
    """What it was published as, and whether it was signed there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """All of it is `None` for an image that others built, except the day."""

    today: datetime.date | None = None
    """In UTC. What depends on it says so by a date of its own, never by this one."""
    indexes: tuple[LockedIndex, ...] | None = None
    """The signed ones that the lock was made from."""
    provenance: StatedProvenance | None = None
    published: StatedPublication | None = None
    """Also `None` where nobody has, and where it can't be read: that proves nothing."""


NOTHING = Beside()
