"""A package after unpacking: entries, and the metadata that the composer turns into data."""

import re
from dataclasses import dataclass

from builder.model.tree import Entry, Owner


def normal(name: str) -> str:
    """A project's name as PEP 503 has it: `typing-extensions` for `Typing_Extensions`."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    owner: Owner
    """`Owner(kind="deb", ...)` or `Owner(kind="wheel", ...)`; every entry carries it."""
    entries: tuple[Entry, ...]
    control: str = ""
    """The control stanza of a .deb, verbatim; empty for wheels."""
    md5sums: str = ""
    """The md5sums member of a .deb, verbatim."""
    scripts: tuple[tuple[str, str], ...] = ()
    """Maintainer scripts by name (`postinst`): read for their `update-alternatives` lines, never run."""
