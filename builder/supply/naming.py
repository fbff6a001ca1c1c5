"""What both formats say alike: who wrote the document, what the image is called, and what may be kept."""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder import __version__
from builder.model.tree import Bytes, Content, Entry, Slice

if TYPE_CHECKING:
    from builder.model.report import SbomRow
    from builder.supply.graph import Component, Graph, Subject

TOOL = f"temper-{__version__}"
Kept = Callable[[str, Callable[[], str]], str]
"""The text for a key, made by the function where it isn't known: what one component contributes to a document
is the same in every image that holds it."""
_PIECE = 1 << 20


_PERSON = re.compile(r'\s*(?:"([^"]*)"|([^<"]*?))\s*<([^<>\s]+@[^<>\s]+)>')
_ADDRESS = re.compile(r"[^<>\s,]+@[^<>\s,]+")


def person(text: str) -> tuple[str, str]:
    """Name and address out of `Name <address>`, the first of several; one of them may be empty.

    Python's own parser answers otherwise from one patch release to the next, and a document may not.
    """
    if found := _PERSON.match(text):
        return (found[1] or found[2] or "").strip(), found[3]
    plain = text.strip()
    return ("", plain) if _ADDRESS.fullmatch(plain) else (plain, "")


def slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "root"


def own_files(source: str) -> str:
    """The reference of what a line of `files:` brings."""
    return f"files-{slug(source)}"


def plainly(_key: str, make: Callable[[], str]) -> str:
    """Keeps nothing."""
    return make()


@cache
def recipe() -> str:
    """Digest of the modules that decide what a document says."""
    digest = hashlib.sha256(TOOL.encode())
    folder = Path(__file__).parent
    for path in (*sorted(folder.glob("*.py")), folder.parent / "packages/licences.py"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def identity(subject: "Subject", form: str) -> uuid.UUID:
    """The document's own, out of the image's digest and who wrote it: never random."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{subject.digest} {subject.name} {TOOL} {form}")


def component_key(
    form: str, component: "Component", layers: tuple[str, ...] = (), *, contents: bool = True
) -> str:
    """Everything that a component's part of a document depends on, without reading a file.

    Without `contents`: of the part in which the files' hashes are yet to be filled in.
    """
    said = [
        *(component.ref, component.name, component.version, component.purl, component.supplier),
        *(component.summary, component.homepage, component.licence.expression, component.licence.said_by),
        *(component.licence.mentioned, component.source, component.archive, component.sha256),
        *(component.needs, [(part.ref, part.version, part.purl) for part in component.parts]),
        *([_file_row(entry, contents=contents) for entry in component.files], layers),
    ]
    return hashlib.sha256(f"{form} {recipe()} {json.dumps(said)}".encode()).hexdigest()


def _file_row(entry: Entry, *, contents: bool) -> tuple[str | None, ...]:
    assert entry.content is not None  # noqa: S101 - a graph holds nothing but files
    elf = entry.content.facts.elf
    names = (elf.soname, elf.build_id) if elf else (None, None)
    return (entry.path, entry.content.sha256 if contents else "", *names)


def sha256_of(entry: Entry) -> str:
    assert entry.content is not None  # noqa: S101 - as above
    return entry.content.sha256


def sha1_of(entry: Entry, known: Mapping[str, str]) -> str:
    """SPDX asks for it (2.3, 8.4). Unpacked packages have it; what is small and generated is hashed here."""
    content = entry.content
    assert content is not None  # noqa: S101 - as above
    if isinstance(content, Slice) and content.sha1:
        return content.sha1
    return known.get(entry.path) or _hashed(content)


def _hashed(content: Content) -> str:
    if isinstance(content, Bytes):
        return hashlib.sha1(content.data, usedforsecurity=False).hexdigest()
    digest = hashlib.sha1(usedforsecurity=False)
    with content.open() as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def subject_purl(subject: "Subject") -> str:
    from packageurl import PackageURL  # noqa: PLC0415 - a document that is known needs none

    name = re.sub(r"[^a-z0-9._-]+", "-", subject.name.lower()).strip("-") or "image"
    return str(
        PackageURL("oci", name=name, version=subject.digest, qualifiers={"arch": subject.architecture})
    )


def remark(graph: "Graph") -> str:
    """What a reader has to know before believing the rest."""
    if not graph.foreign:
        return remark_of_built(graph.coverage)
    unread = "".join(f" Not read: {line}." for line in graph.unread)
    said = _covering(graph.coverage)
    return f"The image was built elsewhere: this is what its own records say. {said}{unread}"


def remark_of_built(covered: "SbomRow") -> str:
    return f"Written from what was put into the image. {_covering(covered)}"


def _covering(covered: "SbomRow") -> str:
    return (
        f"{covered.owned_files} of {covered.files} files and {covered.owned_bytes} of {covered.bytes} bytes "
        "belong to a component; the others are listed as unowned."
    )


def dumped(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(", ", ": "))
