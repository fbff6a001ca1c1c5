"""An SBOM as it stands beside an image: what a check compares, and no more."""

from dataclasses import dataclass

SPDX, CYCLONEDX = "spdx", "cyclonedx"
FILES = {SPDX: "spdx.json", CYCLONEDX: "cyclonedx.json"}
"""Form -> file in the folder `sbom` beside a layout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedSbom:
    """What one document says."""

    file: str
    """`sbom/spdx.json`: what messages call it."""
    digest: str = ""
    """Of the image that it is about."""
    packages: frozenset[tuple[str, str, str]] = frozenset()
    """`deb` or `wheel`, name and version of each package that it names."""
    problem: str = ""
    """Why it can't be read: `is missing`."""
