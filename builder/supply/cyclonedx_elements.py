"""Components of CycloneDX 1.6, made by cyclonedx-python-lib one at a time. Importing this takes 0.2 s."""

import datetime
import json
from collections.abc import Iterator
from typing import Any

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component as Described
from cyclonedx.model.component import ComponentType
from cyclonedx.model.component_evidence import ComponentEvidence, Occurrence
from cyclonedx.model.contact import OrganizationalContact, OrganizationalEntity
from cyclonedx.model.license import LicenseExpression
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema.schema import SchemaVersion1Dot6
from packageurl import PackageURL

from builder import __version__
from builder.model.tree import Entry
from builder.supply.graph import Component, Graph, Sort
from builder.supply.naming import dumped, identity, person, sha256_of, subject_purl

TYPES = {
    Sort.DEB: ComponentType.LIBRARY,
    Sort.WHEEL: ComponentType.LIBRARY,
    Sort.BUNDLED: ComponentType.LIBRARY,
    Sort.NPM: ComponentType.LIBRARY,
    Sort.FILES: ComponentType.APPLICATION,
    Sort.GENERATED: ComponentType.DATA,
}


def document(graph: Graph, said: str) -> dict[str, Any]:
    """All but the components and what they need."""
    tools = ToolRepository(
        components=[Described(type=ComponentType.APPLICATION, name="temper", version=__version__)]
    )
    bom = Bom(
        serial_number=identity(graph.subject, "cyclonedx"),
        version=1,
        metadata=BomMetaData(
            timestamp=datetime.datetime.fromtimestamp(graph.subject.created, tz=datetime.UTC),
            tools=tools,
            component=_image(graph),
            properties=_properties(remark=said),
        ),
    )
    output = JsonV1Dot6(bom)
    data: dict[str, Any] = json.loads(output.output_as_string())
    data.pop("dependencies", None)
    return data


def _image(graph: Graph) -> Described:
    subject = graph.subject
    layers = {
        f"layer:{number}:{name}": value
        for number, layer in enumerate(subject.layers, 1)
        for name, value in (("name", layer.name), ("digest", layer.digest), ("diff-id", layer.diff_id))
    }
    purl = subject_purl(subject)
    return Described(
        type=ComponentType.CONTAINER,
        bom_ref=purl,
        name=subject.name,
        version=subject.digest,
        purl=PackageURL.from_string(purl),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=subject.digest.removeprefix("sha256:"))],
        properties=_properties(profile=subject.profile, platform=subject.platform, **layers),
    )


def system(graph: Graph) -> str:
    system = graph.distribution
    described = Described(
        type=ComponentType.OPERATING_SYSTEM,
        bom_ref="operating-system",
        name=system.id,
        version=system.version or None,
        description=system.name or None,
    )
    return _line(described)


def unowned(graph: Graph) -> str:
    """One for all: else nobody could say which files belong to none."""
    described = Described(
        type=ComponentType.DATA,
        bom_ref="unowned-files",
        name="unowned-files",
        description="files that no package, wheel or declaration accounts for",
        properties=_properties(sort="unowned"),
        evidence=_found_at(graph.unowned),
    )
    return _line(described)


def line(component: Component, layers: tuple[str, ...]) -> str:
    """One for each component, in which nothing depends on the rest of the graph."""
    return _line(_described(component, layers))


def _described(component: Component, layers: tuple[str, ...] = ()) -> Described:
    properties = _properties(
        sort=component.sort.value,
        **{"licence:said-by": component.licence.said_by},
        **{"licence:mentioned": " ".join(component.licence.mentioned)},
        **{f"layer:{number}": digest for number, digest in enumerate(layers, 1)},
        archive=component.archive,
    )
    return Described(
        type=TYPES[component.sort],
        bom_ref=component.ref,
        name=component.name,
        version=component.version or None,
        purl=PackageURL.from_string(component.purl) if component.purl else None,
        supplier=_supplier(component.supplier),
        description=component.summary or None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=component.sha256)] if component.sha256 else None,
        licenses=[LicenseExpression(component.licence.expression)] if component.licence.expression else None,
        external_references=_references(component),
        properties=[*properties, *_for_trivy(component)],
        components=[*map(_described, component.parts), *_libraries(component)] or None,
        evidence=_found_at(component.files),
    )


def _libraries(component: Component) -> Iterator[Described]:
    """The shared libraries of a wheel, which no package manager knows."""
    if component.sort is not Sort.WHEEL:
        return
    for entry in component.libraries:
        assert entry.content is not None  # noqa: S101 - libraries are files
        elf = entry.content.facts.elf
        assert elf is not None  # noqa: S101 - and ELF files
        yield Described(
            type=ComponentType.LIBRARY,
            bom_ref=f"{component.ref}/{entry.path}",
            name=elf.soname or entry.path.rpartition("/")[2],
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256_of(entry))],
            properties=_properties(
                sort="library", path=f"/{entry.path}", soname=elf.soname or "", **{"build-id": elf.build_id}
            ),
        )


def _found_at(files: tuple[Entry, ...]) -> ComponentEvidence | None:
    return (
        ComponentEvidence(occurrences=[Occurrence(location=f"/{file.path}") for file in files])
        if files
        else None
    )


def _references(component: Component) -> list[ExternalReference] | None:
    if not component.homepage.startswith(("http://", "https://")):
        return None
    return [ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(component.homepage))]


def _supplier(supplier: str) -> OrganizationalEntity | None:
    name, address = person(supplier)
    if not (name or address):
        return None
    contacts = [OrganizationalContact(name=name or None, email=address)] if address else None
    return OrganizationalEntity(name=name or address, contacts=contacts)


def _for_trivy(component: Component) -> list[Property]:
    """trivy knows advisories by source packages, and reads those nowhere else."""
    if not component.source[0]:
        return []
    name, version = component.source
    epoch, _, rest = version.rpartition(":")
    upstream, _, revision = rest.rpartition("-")
    said = {
        "PkgID": f"{component.name}@{component.version}",
        "PkgType": "debian",
        "SrcName": name,
        "SrcVersion": upstream or revision,
        "SrcRelease": revision if upstream else "",
        "SrcEpoch": epoch,
    }
    return [Property(name=f"aquasecurity:trivy:{key}", value=value) for key, value in said.items() if value]


def _properties(**said: str) -> list[Property]:
    return [Property(name=f"temper:{name}", value=value) for name, value in said.items() if value]


def _line(described: Described) -> str:
    data: dict[str, Any] = json.loads(described.as_json(view_=SchemaVersion1Dot6))  # type: ignore[attr-defined]
    return dumped(_settled(data))


def _settled(component: dict[str, Any]) -> dict[str, Any]:
    """The library keeps occurrences without references of their own in whatever order their hashes have."""
    occurrences = component.get("evidence", {}).get("occurrences")
    if occurrences:
        occurrences.sort(key=lambda one: one["location"])
    for part in component.get("components", ()):
        _settled(part)
    return component
