"""The manifest of a bundle: what an image is built from where there is no network, each file by its hash."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from builder.model.base import Strict
from builder.model.lock import RelativePath, Sha256
from builder.model.spec import Strings, as_tuple

HERE, BUILT_IN = "here", "built-in"
"""First part of a description's paths: a workspace's folder, or what ships with Temper."""


class BundledBlob(Strict):
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]
    """In bytes."""
    name: str
    """What people know it by: `libc6_2.41-12_amd64.deb`."""


class DescribedEntry(Strict):
    """A part of the description: image.yaml, profiles, locks, one's own files and tests."""

    path: Annotated[RelativePath, Field(pattern=rf"^({HERE}|{BUILT_IN})/(images|profiles)/")]
    kind: Literal["file", "folder", "link"]
    sha256: Sha256 | None = None
    """Of a file."""
    executable: bool = False
    target: str = ""
    """Of a link."""


class BundledIndex(Strict):
    """A signed index of an archive."""

    archive: str
    suite: str
    sha256: Sha256
    """Of the InRelease file, which carries the signature."""
    packages: dict[str, Sha256]
    """The compressed list of packages, by its path in the InRelease file."""


class BundledKey(Strict):
    """For people who check signatures by hand. Temper trusts the keys that it ships, or the reader's own."""

    name: str
    sha256: Sha256


class BundledImage(Strict):
    image: str
    profile: str
    platforms: Strings
    lock: RelativePath
    """Path in the description."""
    indexes: Annotated[tuple[Sha256, ...], BeforeValidator(as_tuple)]
    """Of the InRelease files that vouch for its packages."""


class Bundle(Strict):
    schema_version: Literal[1] = 1
    temper: str
    """The version that made it: the same one gives the same digest."""
    images: Annotated[tuple[BundledImage, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    description: Annotated[tuple[DescribedEntry, ...], BeforeValidator(as_tuple)]
    indexes: Annotated[tuple[BundledIndex, ...], BeforeValidator(as_tuple)]
    keys: Annotated[tuple[BundledKey, ...], BeforeValidator(as_tuple)]
    blobs: Annotated[tuple[BundledBlob, ...], BeforeValidator(as_tuple)]
    """By hash: the members of the archive, in its order."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for what, names in (
            ("blobs", [blob.sha256 for blob in self.blobs]),
            ("description", [entry.path for entry in self.description]),
        ):
            if names != sorted(set(names)):
                raise ValueError(f"{what}: out of order, or one stands there twice")
        return self
