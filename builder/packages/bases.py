"""The bases an image can stand on, as data: which signed indexes, which keys, which C library and Python."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.errors import InputError

KEYS = Path(__file__).parent / "keys"
"""The distribution's public archive keys, as its keyring package ships them."""

SECURITY = "debian-security"
"""The archive of security updates."""
ARCHITECTURES: Mapping[str, str] = {"linux/amd64": "amd64", "linux/arm64": "arm64"}
"""Debian's names of the platforms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A signed index: `dists/<name>/InRelease` of an archive."""

    archive: str
    """`debian` or `debian-security`: which configured mirror serves it."""
    name: str
    keys: tuple[str, ...]
    """Files in `keys/`; a signature by any of them will do, as it does for apt."""

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.archive}: dists/{self.name}/InRelease"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    name: str
    suites: tuple[Suite, ...]
    component: str
    glibc: str
    """Version of the C library, for choosing manylinux wheels."""
    python: str
    """The distribution's own Python; no other is packaged in it."""


def _debian(codename: str, *, other: str, glibc: str, python: str) -> Base:
    """A release is signed with its own keys and its neighbour's; a mirror's copy may carry either."""
    archive = (
        f"debian-archive-{codename}-automatic.asc",
        f"debian-archive-{codename}-stable.asc",
        f"debian-archive-{other}-automatic.asc",
    )
    security = (
        f"debian-archive-{codename}-security-automatic.asc",
        f"debian-archive-{other}-security-automatic.asc",
    )
    return Base(
        name=f"debian/{codename}",
        suites=(
            Suite(archive="debian", name=codename, keys=archive),
            Suite(archive="debian", name=f"{codename}-updates", keys=archive),
            Suite(archive="debian-security", name=f"{codename}-security", keys=security),
        ),
        component="main",
        glibc=glibc,
        python=python,
    )


BASES: Mapping[str, Base] = {
    base.name: base
    for base in (
        _debian("trixie", other="bookworm", glibc="2.41", python="3.13"),
        _debian("bookworm", other="trixie", glibc="2.36", python="3.11"),  # re-signed with trixie's keys too
    )
}


def find_base(name: str) -> Base:
    """Raises `InputError` naming the bases there are."""
    if name in BASES:
        return BASES[name]
    near = difflib.get_close_matches(name, BASES, n=1)
    what_to_do = f"did you mean '{near[0]}'?" if near else f"use one of {', '.join(sorted(BASES))}"
    raise InputError(f"base: unknown base '{name}'; {what_to_do}")
