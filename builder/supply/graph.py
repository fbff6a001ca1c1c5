"""What an image consists of: components, the files that each brought, and what each needs. Pure types."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from builder.model.image import Image
from builder.model.report import SbomRow
from builder.model.tree import Entry, Rootfs
from builder.packages.licences import NO_LICENCE, Licence
from builder.supply.naming import own_files


class Sort(StrEnum):
    """What a component is. The values begin their references: `deb-libc6`."""

    DEB = "deb"
    WHEEL = "wheel"
    BUNDLED = "bundled"
    """What lies in another package and says its name, or what a wheel's own SBOM (PEP 770) says it holds."""
    NPM = "npm"
    """Of images that others built, where no other package brought it."""
    FILES = "files"
    """The image's own, by a line of `files:` in image.yaml."""
    GENERATED = "generated"
    """What Temper writes: accounts, package records, the CA bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    ref: str
    """Unique in the graph, and the same in every image: `deb-libc6`."""
    sort: Sort
    name: str
    version: str = ""
    purl: str = ""
    supplier: str = ""
    """`Name <address>`, as the package says it."""
    summary: str = ""
    homepage: str = ""
    licence: Licence = NO_LICENCE
    source: tuple[str, str] = ("", "")
    """Of a Debian package: the source package's name and version. Advisories go by these."""
    archive: str = ""
    """File name of the .deb or .whl, where the lock says it."""
    sha256: str = ""
    """Of the archive."""
    files: tuple[Entry, ...] = ()
    """Sorted by path."""
    parts: tuple["Component", ...] = ()
    """Bundled components, which have no files of their own: nothing says which are theirs."""
    needs: tuple[str, ...] = ()
    """References of the components that it depends on, sorted."""

    @property
    def libraries(self) -> tuple[Entry, ...]:
        """Shared libraries that say their name, or that a tool copied into a wheel beside its modules."""
        return tuple(entry for entry in self.files if is_library(entry))


def own_components(rootfs: Rootfs) -> tuple[Component, ...]:
    """Of the image's own files, as far as a document depends on their bytes."""
    found: dict[str, list[Entry]] = {}
    for entry in rootfs.files():
        found.setdefault(own_files(entry.owner.name), []).append(entry)
    return tuple(
        Component(ref=ref, sort=Sort.FILES, name=ref, files=tuple(files)) for ref, files in found.items()
    )


def is_library(entry: Entry) -> bool:
    elf = entry.content.facts.elf if entry.content is not None else None
    if elf is None or elf.interpreter is not None:
        return False
    return bool(elf.soname) or ".libs/" in entry.path


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedLayer:
    name: str
    digest: str
    diff_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The image that a graph is about."""

    name: str
    profile: str
    """Empty for an image that others built."""
    digest: str
    """Of the manifest; of the config for an archive of `docker save`, which has none."""
    platform: str
    created: int
    """Seconds since the epoch, as the image's config has it."""
    layers: tuple[PlacedLayer, ...] = ()

    @property
    def architecture(self) -> str:
        return self.platform.partition("/")[2]


def subject_of(image: Image, name: str, profile: str = "") -> Subject:
    return Subject(
        name=name,
        profile=profile,
        digest=image.digest,
        platform=image.config.platform,
        created=image.config.created,
        layers=tuple(
            PlacedLayer(name=layer.name, digest=layer.digest, diff_id=layer.diff_id) for layer in image.layers
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Of os-release; empty fields where that isn't there."""

    id: str = ""
    version: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Graph:
    subject: Subject
    distribution: Distribution
    components: tuple[Component, ...]
    """Sorted by reference."""
    unowned: tuple[Entry, ...] = ()
    """Files that no component brought, sorted by path."""
    foreign: bool = False
    """Nobody here built the image: its own records are believed."""
    unread: tuple[str, ...] = ()
    """What could not be read, in the user's words: a database of packages of another distribution."""
    sha1: Mapping[str, str] = field(default_factory=dict)
    """Path -> SHA-1 of files whose contents don't know it, made in one reading of each layer."""
    layer_of: Mapping[str, int] = field(default_factory=dict)
    """Path -> which of the layers holds it, counted from 1."""

    @cached_property
    def coverage(self) -> SbomRow:
        owned = [entry for component in self.components for entry in component.files]
        kinds = Counter(component.sort.value for component in self.components)
        kinds[Sort.BUNDLED.value] += sum(len(component.parts) for component in self.components)
        return SbomRow(
            components=sum(kinds.values()),
            kinds={kind: count for kind, count in sorted(kinds.items()) if count},
            libraries=sum(len(component.libraries) for component in self.components),
            files=len(owned) + len(self.unowned),
            owned_files=len(owned),
            bytes=sum(entry.size for entry in (*owned, *self.unowned)),
            owned_bytes=sum(entry.size for entry in owned),
            unowned=tuple(entry.path for entry in self.unowned[:20]),
        )

    def layers_of(self, component: Component) -> tuple[int, ...]:
        return tuple(
            sorted({self.layer_of[one.path] for one in component.files if one.path in self.layer_of})
        )
