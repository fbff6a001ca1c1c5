"""`image.lock.json` as a type: exact packages and wheels by hash. It never holds a host name."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from builder.model.base import Strict
from builder.model.spec import as_tuple, normalised

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RelativePath = Annotated[str, Field(pattern=r"^[^/\x00]+(/[^/\x00]+)*$"), AfterValidator(normalised)]


class LockedIndex(Strict):
    """A signed package index that the lock was made from."""

    archive: str
    """`debian` or `debian-security`: which configured mirror serves it."""
    suite: str
    date: int
    """Seconds since the epoch, from the index's `Date`."""
    valid_until: int | None
    sha256: Sha256
    """Of the InRelease file."""
    signed_by: Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    """Fingerprints of the keys whose signature was verified, upper-case hex."""


class LockedPackage(Strict):
    """A Debian package."""

    name: str
    version: str
    architecture: str
    archive: str
    path: RelativePath
    """Relative to the archive's root: `pool/main/...`."""
    size: Annotated[int, Field(gt=0)]
    sha256: Sha256
    because: str
    """`image`, `python`, `profile dev`, or the package whose relation brought it."""


class HeldBack(Strict):
    """A relation that was not followed, since it serves maintainer scripts only."""

    package: str
    wanted_by: str
    reason: str


class LockedWheel(Strict):
    name: str
    version: str
    filename: RelativePath
    size: Annotated[int, Field(gt=0)]
    sha256: Sha256


class LockedPlatform(Strict):
    packages: Annotated[tuple[LockedPackage, ...], BeforeValidator(as_tuple)]
    held_back: Annotated[tuple[HeldBack, ...], BeforeValidator(as_tuple)] = ()
    wheels: Annotated[tuple[LockedWheel, ...], BeforeValidator(as_tuple)] = ()
    toolbox: Annotated[tuple[LockedPackage, ...], BeforeValidator(as_tuple)] = ()
    """What live verification brings along and mounts read-only; never part of the image."""


class Lock(Strict):
    schema_version: Literal[1] = 1
    inputs: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    """Digest of `Plan.lock_inputs()`: a lock with another one is out of date."""
    base: str
    date: int
    """Seconds since the epoch: the newest index date. Every mtime is clamped to it."""
    indexes: Annotated[tuple[LockedIndex, ...], BeforeValidator(as_tuple)]
    platforms: dict[str, LockedPlatform]


class Moving(StrEnum):
    """What a new lock moves of the one before it."""

    NEEDED = "needed"
    """What no mirror serves any more, and what newly asked-for packages need."""
    SECURITY = "security"
    """Besides, what has a fix in the archive of security updates, and what that needs."""
    ALL = "all"
