"""The graph of an image: who brought each file, or what the image's own records say. Pure but for reading.

Nothing is guessed: a component is there because a package record, a wheel's metadata or the lock names it, a
file is a component's because that brought it. What nobody accounts for is listed as unowned.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from packageurl import PackageURL

from builder import __version__
from builder.controls.inventory import OTHER_DATABASES, STATUS_FILE, STATUS_FOLDER, Wheel, inventory
from builder.controls.licences import debian_licence, wheel_licence
from builder.controls.passwd import read_text, text_of
from builder.model.image import Image
from builder.model.lock import LockedPlatform
from builder.model.package import normal
from builder.model.tree import Entry, Kind, Rootfs, parents
from builder.packages.licences import metadata_fields
from builder.packages.relations import source_package
from builder.supply import vendored
from builder.supply.graph import Component, Distribution, Graph, Sort, Subject, subject_of
from builder.supply.naming import own_files, person, slug
from builder.supply.vendored import once, own_sboms

OwnerOf = Callable[[Entry], str | None]
"""The reference of the component that an entry belongs to."""
STANZA_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)$", re.MULTILINE)
_ALTERNATIVE = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def of_built(image: Image, lock: LockedPlatform, name: str, profile: str) -> Graph:
    """Of an image that was composed here: each entry knows who brought it."""
    collecting = _Collecting(image, lock)

    def owner(entry: Entry) -> str:
        by = entry.owner
        match by.kind:
            case "deb" | "wheel":
                return f"{by.kind}-{by.name}"
            case "file":
                return collecting.own_files(by.name)
            case _:
                return collecting.generated(profile)

    return collecting.graph(subject_of(image, name, profile), owner)


def of_foreign(image: Image, name: str, sha1: Mapping[str, str]) -> Graph:
    """Of an image that others built: what its own records claim. `sha1` by path, where it is known."""
    collecting = _Collecting(image, None)
    claimed = _claims(image, collecting)
    graph = collecting.graph(subject_of(image, name), lambda entry: claimed.get(entry.path))
    unread = [
        f"/{path}: a database of packages that isn't read; what it lists is unowned here"
        for path in OTHER_DATABASES
        if path in image.rootfs
    ]
    if collecting.out_of_reach:
        unread.append(f"{collecting.out_of_reach} files of metadata inside large layers")
    return replace(graph, foreign=True, unread=tuple(unread), sha1=sha1)


def _claims(image: Image, collecting: "_Collecting") -> dict[str, str]:
    """Path -> reference. A name that two wheels have belongs to the one whose RECORD lists the path."""
    found = {
        path: owner.replace(" ", "-", 1)
        for path, owner in inventory(image).files.items()
        if owner.startswith("deb ")
    }
    for ref, wheel in collecting.wheels.items():
        for path in wheel.paths:
            found[path] = ref
    for path in image.rootfs:
        if path.endswith(".pyc") and path not in found:
            found[path] = inventory(image).files.get(path, "").replace(" ", "-", 1)
    return {path: ref for path, ref in found.items() if ref in collecting.components}


@dataclass
class _Collecting:
    """The components that an image's records name, and what is added while its files are walked."""

    image: Image
    lock: LockedPlatform | None
    components: dict[str, Component] = field(default_factory=dict)
    wheels: dict[str, Wheel] = field(default_factory=dict)
    """By reference."""

    tops: dict[str, str] = field(default_factory=dict)
    """Folder -> reference of the package that says its name there and belongs to no other."""
    out_of_reach: int = 0

    def __post_init__(self) -> None:
        self.distribution = distribution_of(self.image.rootfs)
        for component in (*self._debs(), *self._wheels()):
            self.components.setdefault(component.ref, component)
        self._folders = frozenset(wheel.folder for wheel in self.wheels.values())

    def graph(self, subject: Subject, owner_of: OwnerOf) -> Graph:
        files: dict[str, list[Entry]] = {}
        unowned, statements = [], []
        for entry in self.image.rootfs.files():
            ref = owner_of(entry)
            if ref is None or ref not in self.components:
                ref = None
                unowned.append(entry)
            else:
                files.setdefault(ref, []).append(entry)
            if vendored.is_statement(entry.path) and entry.path.rpartition("/")[0] not in self._folders:
                statements.append((ref, entry))
        self._add_vendored(statements)
        unowned = self._below_packages(unowned, files)
        placed = [
            replace(one, files=tuple(files.get(ref, ()))) for ref, one in sorted(self.components.items())
        ]
        return Graph(
            subject=subject,
            distribution=self.distribution,
            components=tuple(_with_libraries(placed)),
            unowned=tuple(unowned),
            layer_of={
                path: number
                for number, layer in enumerate(self.image.layers, 1)
                for path, entry in layer.rootfs.items()
                if entry.kind is Kind.FILE
            },
        )

    def _add_vendored(self, statements: Iterable[tuple[str | None, Entry]]) -> None:
        """Parts of what brought them; what nobody brought is a component by itself."""
        for ref, entry in statements:
            if vendored.is_out_of_reach(entry):
                self.out_of_reach += 1
            if (said := vendored.named(entry)) is None:
                continue
            if ref is not None:
                whole = self.components[ref]
                self.components[ref] = replace(whole, parts=once([*whole.parts, said.part(ref)]))
                continue
            own = f"{said.kind}-{slug(said.name)}-{slug(said.version)}"
            self.tops[entry.path.rpartition("/")[0]] = own
            lone = replace(said.part("-"), ref=own, sort=Sort.NPM if said.kind == "npm" else Sort.WHEEL)
            self.components.setdefault(own, lone)

    def _below_packages(self, unowned: list[Entry], files: dict[str, list[Entry]]) -> list[Entry]:
        """What lies in the folder of such a component is its own, the nearest one's."""
        left = []
        for entry in unowned:
            ref = next((self.tops[folder] for folder in parents(entry.path) if folder in self.tops), None)
            if ref is None:
                left.append(entry)
            else:
                files.setdefault(ref, []).append(entry)
        return left

    def own_files(self, source: str) -> str:
        ref = own_files(source)
        self.components.setdefault(
            ref,
            Component(
                ref=ref,
                sort=Sort.FILES,
                name=source,
                summary=f"the image's own files, '{source}' of image.yaml",
            ),
        )
        return ref

    def generated(self, profile: str) -> str:
        ref = "generated-temper"
        self.components.setdefault(
            ref,
            Component(
                ref=ref,
                sort=Sort.GENERATED,
                name="temper",
                version=__version__,
                summary=f"what Temper writes under profile {profile}: accounts, package records, settings",
            ),
        )
        return ref

    def _debs(self) -> Iterator[Component]:
        stanzas = [dict(STANZA_FIELD.findall(text)) for text in deb_stanzas(self.image.rootfs)]
        stanzas = [one for one in stanzas if one.get("Status", "installed").endswith("installed")]
        providers = _providers(stanzas)
        locked = {one.name: one for one in self.lock.packages} if self.lock is not None else {}
        for fields in stanzas:
            if not {"Package", "Version", "Architecture"} <= fields.keys():
                continue
            name, version = fields["Package"], fields["Version"]
            archive = locked.get(name)
            known = archive is not None and archive.version == version
            yield Component(
                ref=f"deb-{name}",
                sort=Sort.DEB,
                name=name,
                version=version,
                purl=purl_of_deb(fields, self.distribution),
                supplier=fields.get("Maintainer", ""),
                summary=fields.get("Description", ""),
                homepage=fields.get("Homepage", ""),
                licence=debian_licence(self.image.rootfs, name),
                source=source_package(fields),
                archive=archive.path.rpartition("/")[2] if archive is not None and known else "",
                sha256=archive.sha256 if archive is not None and known else "",
                needs=tuple(sorted(set(_deb_needs(fields, providers)) - {f"deb-{name}"})),
            )

    def _wheels(self) -> Iterator[Component]:
        locked = {normal(one.name): one for one in self.lock.wheels} if self.lock is not None else {}
        found = inventory(self.image).wheels
        names = {wheel.name for wheel in found}
        for wheel in found:
            text = read_text(self.image.rootfs, f"{wheel.folder}/METADATA") or ""
            fields = metadata_fields(text)
            archive = locked.get(wheel.name)
            known = archive is not None and archive.version == wheel.version
            ref = f"wheel-{wheel.name}"
            if ref in self.wheels:  # a second environment holds it too
                ref = f"{ref}-{slug(wheel.folder)}"
            self.wheels[ref] = wheel
            needs = {f"wheel-{need}" for need in _wheel_needs(fields) if need in names and need != wheel.name}
            yield Component(
                ref=ref,
                sort=Sort.WHEEL,
                name=wheel.name,
                version=wheel.version,
                purl=str(PackageURL("pypi", name=wheel.name, version=wheel.version)),
                supplier=_author(fields),
                summary=_first(fields, "summary"),
                homepage=_homepage(fields),
                licence=wheel_licence(text),
                archive=archive.filename if archive is not None and known else "",
                sha256=archive.sha256 if archive is not None and known else "",
                parts=once(own_sboms(self.image.rootfs, wheel.folder, ref)),
                needs=tuple(sorted(needs)),
            )


def distribution_of(rootfs: Rootfs) -> Distribution:
    text = read_text(rootfs, "etc/os-release") or read_text(rootfs, "usr/lib/os-release") or ""
    fields = {
        name: value.strip().strip("\"'")
        for name, _, value in (line.partition("=") for line in text.splitlines())
    }
    return Distribution(
        id=fields.get("ID", ""), version=fields.get("VERSION_ID", ""), name=fields.get("PRETTY_NAME", "")
    )


def deb_stanzas(rootfs: Rootfs) -> Iterator[str]:
    for entry in rootfs.below(STATUS_FOLDER):
        if entry.kind is Kind.FILE and not entry.path.endswith(".md5sums"):
            yield text_of(entry)
    status = rootfs.get(STATUS_FILE)
    if status is not None and status.kind is Kind.FILE:
        yield from text_of(status).split("\n\n")


def purl_of_deb(fields: Mapping[str, str], distribution: Distribution) -> str:
    """As syft and grype write and read it: `upstream` is what advisories are matched by."""
    source, version = source_package(fields)
    upstream = source if version == fields["Version"] else f"{source}@{version}"
    qualifiers = {
        "arch": fields["Architecture"],
        "distro": f"{distribution.id}-{distribution.version}".strip("-"),
        "upstream": upstream if upstream != fields["Package"] else "",
    }
    return str(
        PackageURL(
            "deb",
            namespace=distribution.id or "debian",
            name=fields["Package"],
            version=fields["Version"],
            qualifiers={name: value for name, value in qualifiers.items() if value},
        )
    )


def _providers(stanzas: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Name, real or virtual -> reference of the package that is it; a real one wins."""
    found: dict[str, str] = {}
    for fields in stanzas:
        for name in _first_words(fields.get("Provides", "").split(",")):
            found.setdefault(name, f"deb-{fields.get('Package', '')}")
    return found | {one["Package"]: f"deb-{one['Package']}" for one in stanzas if "Package" in one}


def _deb_needs(fields: Mapping[str, str], providers: Mapping[str, str]) -> Iterator[str]:
    for clause in f"{fields.get('Pre-Depends', '')},{fields.get('Depends', '')}".split(","):
        there = (providers[name] for name in _first_words(clause.split("|")) if name in providers)
        yield from list(there)[:1]


def _first_words(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        if (match := _ALTERNATIVE.match(text.strip())) is not None:
            yield match[0]


def _wheel_needs(fields: Mapping[str, list[str]]) -> Iterator[str]:
    """Those of extras too, where they are there: somebody asked for them."""
    for line in fields.get("requires-dist", ()):
        if (match := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)) is not None:
            yield normal(match[0])


def _author(fields: Mapping[str, list[str]]) -> str:
    for who in ("author", "maintainer"):
        name, address = _first(fields, who), _first(fields, f"{who}-email")
        said, only = person(address)
        if name or said or only:
            return f"{said or name} <{only}>".strip() if only else said or name
    return ""


def _first(fields: Mapping[str, list[str]], name: str) -> str:
    value = next(iter(fields.get(name, ())), "")
    return "" if value == "UNKNOWN" else value


def _homepage(fields: Mapping[str, list[str]]) -> str:
    if home := _first(fields, "home-page"):
        return home
    labelled = (line.partition(",") for line in fields.get("project-url", ()))
    urls = {label.strip().casefold().replace("-", ""): url.strip() for label, _, url in labelled}
    return next((urls[name] for name in ("homepage", "home", "repository", "source") if name in urls), "")


def _with_libraries(components: list[Component]) -> Iterator[Component]:
    """What the files of a component are linked against is what it needs, whatever its metadata says."""
    brought: dict[str, str] = {}
    for component in components:
        for entry in component.files:
            if entry.content is not None and (elf := entry.content.facts.elf) is not None:
                brought.setdefault(elf.soname or entry.path.rpartition("/")[2], component.ref)
    for component in components:
        needed = {
            brought[soname]
            for entry in component.files
            if entry.content is not None and (elf := entry.content.facts.elf) is not None
            for soname in elf.needed
            if soname in brought
        }
        yield replace(component, needs=tuple(sorted({*component.needs, *needed} - {component.ref})))
