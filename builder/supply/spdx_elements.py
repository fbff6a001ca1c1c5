"""Elements of SPDX 2.3, made and converted by spdx-tools one at a time. Importing this takes 0.2 s."""

import datetime
import hashlib
import re
from collections.abc import Iterable
from typing import Any

from spdx_tools.common.spdx_licensing import spdx_licensing
from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
from spdx_tools.spdx.jsonschema.file_converter import FileConverter
from spdx_tools.spdx.jsonschema.package_converter import PackageConverter
from spdx_tools.spdx.jsonschema.relationship_converter import RelationshipConverter
from spdx_tools.spdx.model import (
    Actor,
    ActorType,
    Checksum,
    ChecksumAlgorithm,
    CreationInfo,
    Document,
    ExternalPackageRef,
    ExternalPackageRefCategory,
    ExtractedLicensingInfo,
    File,
    FileType,
    Package,
    PackagePurpose,
    PackageVerificationCode,
    Relationship,
    RelationshipType,
    SpdxNoAssertion,
)
from spdx_tools.spdx.validation.uri_validators import validate_url

from builder.model.tree import Entry
from builder.packages.licences import Licence, references
from builder.supply.blanks import Sums, verification_code
from builder.supply.graph import Component, Graph, Sort
from builder.supply.naming import TOOL, dumped, identity, person, sha1_of, sha256_of, subject_purl

IMAGE, SYSTEM, UNOWNED = "SPDXRef-Image", "SPDXRef-OperatingSystem", "SPDXRef-Unowned"
PURPOSES = {
    Sort.DEB: PackagePurpose.INSTALL,
    Sort.WHEEL: PackagePurpose.LIBRARY,
    Sort.BUNDLED: PackagePurpose.LIBRARY,
    Sort.NPM: PackagePurpose.LIBRARY,
    Sort.FILES: PackagePurpose.APPLICATION,
    Sort.GENERATED: PackagePurpose.OTHER,
}
Lines = dict[str, list[str]]
"""List of the document -> its elements, one line of JSON each."""


def document(graph: Graph, said: str) -> dict[str, Any]:
    """All but the lists of elements."""

    subject = graph.subject
    info = CreationInfo(
        spdx_version="SPDX-2.3",
        spdx_id="SPDXRef-DOCUMENT",
        name="-".join(filter(None, (subject.name, subject.profile, subject.architecture))),
        document_namespace=identity(graph.subject, "spdx").urn,
        creators=[Actor(ActorType.TOOL, TOOL)],
        created=datetime.datetime.fromtimestamp(subject.created, tz=datetime.UTC).replace(tzinfo=None),
        document_comment=said,
    )
    whole = Document(creation_info=info, extracted_licensing_info=_extracted(graph))
    return dict(sorted(DocumentConverter().convert(whole).items()))


def _extracted(graph: Graph) -> list[Any]:
    """The texts that names outside of SPDX's list stand for: they lie in the image, and this says where."""

    found: dict[str, list[str]] = {}
    for component in graph.components:
        for name in references(component.licence.expression):
            found.setdefault(name, []).append(_licence_file(component))
    return [
        ExtractedLicensingInfo(
            license_id=name,
            license_name=name.removeprefix("LicenseRef-"),
            extracted_text=f"The text that goes by this name in {', '.join(files)}.",
        )
        for name, files in sorted(found.items())
    ]


def _licence_file(component: Component) -> str:
    if component.sort is Sort.DEB:
        return f"/usr/share/doc/{component.name}/copyright"
    return f"the metadata of {component.sort} {component.name}"


def head(graph: Graph) -> Lines:
    """The image and its distribution, and that the image contains every component."""

    subject, system = graph.subject, graph.distribution
    layers = "; ".join(
        f"layer {number}: {layer.name}, {layer.digest}, unpacked {layer.diff_id}"
        for number, layer in enumerate(subject.layers, 1)
    )
    packages = [
        Package(
            spdx_id=IMAGE,
            name=subject.name,
            version=subject.digest,
            download_location=SpdxNoAssertion(),
            files_analyzed=False,
            checksums=[Checksum(ChecksumAlgorithm.SHA256, subject.digest.removeprefix("sha256:"))],
            external_references=[_purl(subject_purl(subject))],
            primary_package_purpose=PackagePurpose.CONTAINER,
            comment=layers or None,
        )
    ]
    related = [("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE)]
    if system.id:
        packages.append(
            Package(
                spdx_id=SYSTEM,
                name=system.id,
                version=system.version or None,
                download_location=SpdxNoAssertion(),
                files_analyzed=False,
                description=system.name or None,
                primary_package_purpose=PackagePurpose.OPERATING_SYSTEM,
            )
        )
        related.append((IMAGE, "CONTAINS", SYSTEM))
    related += [(IMAGE, "CONTAINS", spdx_id(component.ref)) for component in graph.components]
    return _lines(packages, [], related)


def part(component: Component, sums: Sums) -> Lines:
    """What a component brings to every document that it is in."""
    own = spdx_id(component.ref)
    files = [_file(entry, sums[entry.path]) for entry in component.files]
    packages = [_package(component, files), *(_package(one, []) for one in component.parts)]
    related = [(own, "CONTAINS", spdx_id(one.ref)) for one in component.parts]
    related += [(own, "CONTAINS", file.spdx_id) for file in files]
    related += [(own, "DEPENDS_ON", spdx_id(need)) for need in component.needs]
    return _lines(packages, files, related)


def unowned(graph: Graph) -> Lines:
    """A package for what belongs to none: else nobody could say which files those are."""
    files = [_file(one, (sha1_of(one, graph.sha1), sha256_of(one))) for one in graph.unowned]
    package = Package(
        spdx_id=UNOWNED,
        name="unowned-files",
        download_location=SpdxNoAssertion(),
        files_analyzed=True,
        verification_code=_verification(files),
        comment="files that no package, wheel or declaration accounts for",
    )
    related = [(IMAGE, "CONTAINS", UNOWNED), *((UNOWNED, "CONTAINS", file.spdx_id) for file in files)]
    return _lines([package], files, related)


def _package(component: Component, files: list[Any]) -> Any:
    checksums = [Checksum(ChecksumAlgorithm.SHA256, component.sha256)] if component.sha256 else []
    source, version = component.source
    return Package(
        spdx_id=spdx_id(component.ref),
        name=component.name,
        version=component.version or None,
        file_name=component.archive or None,
        download_location=SpdxNoAssertion(),
        supplier=_actor(component.supplier),
        files_analyzed=bool(files),
        verification_code=_verification(files) if files else None,
        checksums=checksums,
        homepage=component.homepage if _is_url(component.homepage) else None,
        source_info=f"built package from: {source} {version}" if source else None,  # trivy reads it so
        license_concluded=SpdxNoAssertion(),
        license_declared=_expression(component.licence),
        license_comment=_licence_remark(component.licence),
        copyright_text=SpdxNoAssertion(),
        summary=component.summary or None,
        external_references=[_purl(component.purl)] if component.purl else [],
        primary_package_purpose=PURPOSES[component.sort],
    )


def _file(entry: Entry, sums: tuple[str, str]) -> Any:
    assert entry.content is not None  # noqa: S101 - a graph holds nothing but files
    elf = entry.content.facts.elf
    named = {"soname": elf.soname or "", "build id": elf.build_id} if elf is not None else {}
    kinds = [FileType.BINARY] if elf else [FileType.SOURCE] if entry.path.endswith(".py") else []
    return File(
        spdx_id=file_id(entry.path),
        name=f"./{entry.path}",
        checksums=[
            Checksum(ChecksumAlgorithm.SHA1, sums[0]),
            Checksum(ChecksumAlgorithm.SHA256, sums[1]),
        ],
        file_types=kinds,
        comment=", ".join(f"{what}: {value}" for what, value in named.items() if value) or None,
    )


def _lines(packages: Iterable[Any], files: Iterable[Any], related: Iterable[tuple[str, str, str]]) -> Lines:
    package, file, relationship = _converters()
    return {
        "packages": [dumped(_categorised(package(one))) for one in packages],
        "files": [dumped(file(one)) for one in files],
        "relationships": [dumped(relationship(one)) for one in related],
    }


def _categorised(package: dict[str, Any]) -> dict[str, Any]:
    """The library writes SPDX 2.2's names of categories; the schema of 2.3 has them with a hyphen."""
    for reference in package.get("externalRefs", ()):
        reference["referenceCategory"] = reference["referenceCategory"].replace("_", "-")
    return package


def _converters() -> tuple[Any, Any, Any]:
    """The library's own, one element at a time."""

    # Elements ask the document for their annotations, of which there are none.
    moment = datetime.datetime.fromtimestamp(0, tz=datetime.UTC).replace(tzinfo=None)
    empty = Document(CreationInfo("SPDX-2.3", "SPDXRef-DOCUMENT", "", "", [], moment))
    packages, files, relationships = PackageConverter(), FileConverter(), RelationshipConverter()

    def relationship(one: tuple[str, str, str]) -> Any:
        start, kind, end = one
        return relationships.convert(Relationship(start, RelationshipType[kind], end))

    return lambda one: packages.convert(one, empty), lambda one: files.convert(one, empty), relationship


def spdx_id(ref: str) -> str:
    """Letters, digits, dots and hyphens are all that is allowed (SPDX 2.3, 7.2); `libstdc++6` has others."""
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", lambda sign: "plus" if sign[0] == "+" else "-", ref)


def file_id(path: str) -> str:
    return f"SPDXRef-File-{hashlib.sha256(path.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}"


def _verification(files: list[Any]) -> Any:
    return PackageVerificationCode(verification_code(file.checksums[0].value for file in files))


def _expression(licence: Licence) -> Any:
    if not licence.expression:
        return SpdxNoAssertion()

    return spdx_licensing.parse(licence.expression)


def _licence_remark(licence: Licence) -> str | None:
    if licence.mentioned:
        texts = ", ".join(licence.mentioned)
        return f"the copyright file is not machine-readable; of the common licences it refers to {texts}"
    if licence.said_by == "DEP-5":
        return "as its machine-readable copyright file says"
    return f"as '{licence.said_by}' of its metadata says" if licence.said_by else None


def _purl(purl: str) -> Any:
    return ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", purl)


def _actor(supplier: str) -> Any:
    name, address = person(supplier)
    return Actor(ActorType.PERSON, name or address, address or None) if name or address else SpdxNoAssertion()


def _is_url(text: str) -> bool:
    return text.startswith(("http://", "https://")) and not validate_url(text)
