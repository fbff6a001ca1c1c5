"""Both documents: valid by the formats' own libraries, the same bytes everywhere, and nothing left out."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from builder.model.image import Image
from builder.model.tree import Bytes, Entry, Kind
from builder.supply import cyclonedx, cyclonedx_elements, spdx, spdx_elements
from builder.supply.collect import of_built, of_foreign
from builder.supply.graph import Graph
from tests.unit.supply.samples import DIGEST, SITE, entries, image, lock, recorded

BUILT = of_built(image(), lock(), "sample", "hardened")
FOREIGN = of_foreign(image(recorded()), "sample", {})
Writer = Callable[..., Iterator[str]]

either = pytest.mark.parametrize("graph", [BUILT, FOREIGN], ids=["built", "foreign"])
both = pytest.mark.parametrize("write", [spdx.write, cyclonedx.write], ids=["spdx", "cyclonedx"])


def written(write: Writer, graph: Graph = BUILT) -> Any:
    return json.loads("".join(write(graph)))


@either
def test_spdx_is_valid(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "x.spdx.json"
    path.write_text("".join(spdx.write(graph)))
    assert validate_full_spdx_document(parse_file(str(path))) == []


@either
def test_cyclonedx_is_valid(graph: Graph) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str("".join(cyclonedx.write(graph))) is None


PROGRAM = """
import hashlib
from builder.supply import cyclonedx, spdx
from tests.unit.supply.test_documents import BUILT
for write in (spdx.write, cyclonedx.write):
    print(hashlib.sha256("".join(write(BUILT)).encode()).hexdigest())
"""


def test_every_process_writes_the_same_bytes() -> None:
    answers = set()
    for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone}
        command = [sys.executable, "-c", PROGRAM]
        answers.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(answers) == 1


@both
def test_what_is_kept_is_what_would_be_made(write: Writer) -> None:
    known: dict[str, str] = {}

    def kept(key: str, make: Callable[[], str]) -> str:
        return known.setdefault(key, make()) if key not in known else known[key]

    first = "".join(write(BUILT, kept))
    assert len(known) == 1 + len(BUILT.components)
    assert "".join(write(BUILT, kept)) == first == "".join(write(BUILT))


def altered(found: Sequence[Entry]) -> list[Entry]:
    """Other contents of the same own files."""
    return [
        one.replace(content=Bytes(b"other")) if one.owner.kind == "file" and one.kind is Kind.FILE else one
        for one in found
    ]


@both
def test_after_a_change_of_own_files_no_library_is_asked(
    write: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the document is the one that the library would have made."""
    known: dict[str, str] = {}

    def kept(key: str, make: Callable[[], str]) -> str:
        if key not in known:
            known[key] = make()
        return known[key]

    before = "".join(write(BUILT, kept))
    changed = of_built(other_image(altered(entries())), lock(), "sample", "hardened")
    expected = "".join(write(changed))
    for module in (spdx_elements, cyclonedx_elements):
        for name in {"document", "head", "line", "part", "system"} & set(vars(module)):
            monkeypatch.delattr(module, name)
    assert "".join(write(changed, kept)) == expected != before


def other_image(found: list[Entry]) -> Image:
    """Every digest differs."""
    same = image(found)
    layers = tuple(
        replace(one, digest=f"sha256:{number:064x}", diff_id=f"sha256:{number + 7:064x}")
        for number, one in enumerate(same.layers, 1)
    )
    return same.replace(digest="sha256:" + "9" * 64, layers=layers)


@both
def test_another_component_is_not_taken_for_a_kept_one(write: Writer) -> None:
    keys: list[str] = []

    def noted(key: str, make: Callable[[], str]) -> str:
        keys.append(key)
        return make()

    changed = [
        one.replace(path="usr/lib/other") if one.path == "usr/lib/libdemo.so.1" else one for one in recorded()
    ]
    for found in (recorded(), changed):
        list(write(of_built(image(found), lock(), "sample", "hardened"), noted))
    once = [key for key, times in Counter(keys).items() if times == 1]
    assert len(once) == 2  # the component as it was and as it is; all other keys came twice


def test_spdx_says_of_each_file_its_hashes_and_of_a_library_its_name() -> None:
    files = {one["fileName"]: one for one in written(spdx.write)["files"]}
    library = files[f"./{SITE}/demo.libs/libblas-1a2b.so.3"]
    assert library["comment"] == "soname: libblas.so.3, build id: abcd"
    assert [one["algorithm"] for one in library["checksums"]] == ["SHA1", "SHA256"]
    assert len(files) == 12


def test_spdx_says_who_owns_a_file() -> None:
    data = written(spdx.write)
    packages = {one["SPDXID"]: one["name"] for one in data["packages"]}
    paths = {one["SPDXID"]: one["fileName"] for one in data["files"]}
    owners = {
        paths[one["relatedSpdxElement"]]: packages[one["spdxElementId"]]
        for one in data["relationships"]
        if one["relatedSpdxElement"] in paths
    }
    assert owners.keys() == set(paths.values())
    assert owners["./app/server.py"] == "app/"
    assert owners["./usr/lib/libdemo.so.1"] == "libdemo++1"


def test_spdx_names_purls_as_the_schema_of_its_version_does() -> None:
    """The library writes PACKAGE_MANAGER, which the published schema of 2.3 refuses."""
    categories = {
        reference["referenceCategory"]
        for package in written(spdx.write)["packages"]
        for reference in package.get("externalRefs", ())
    }
    assert categories == {"PACKAGE-MANAGER"}


def test_cyclonedx_holds_the_libraries_of_a_wheel_below_it() -> None:
    wheel = next(one for one in written(cyclonedx.write)["components"] if one["bom-ref"] == "wheel-demo")
    library = next(one for one in wheel["components"] if one["name"] == "libblas.so.3")
    properties = {one["name"]: one["value"] for one in library["properties"]}
    assert properties["temper:build-id"] == "abcd"
    assert properties["temper:path"] == f"/{SITE}/demo.libs/libblas-1a2b.so.3"


def test_occurrences_are_in_order() -> None:
    for component in written(cyclonedx.write)["components"]:
        places = [one["location"] for one in component.get("evidence", {}).get("occurrences", ())]
        assert places == sorted(places)


def test_both_are_of_the_image_and_of_no_clock() -> None:
    first, second = written(spdx.write), written(cyclonedx.write)
    assert first["creationInfo"]["created"] == "2025-10-09T08:53:20Z"
    assert second["metadata"]["timestamp"] == "2025-10-09T08:53:20+00:00"
    assert second["metadata"]["component"]["version"] == DIGEST
    assert first["documentNamespace"].startswith("urn:uuid:")
    assert first["documentNamespace"] != second["serialNumber"]


def test_unowned_files_are_listed_in_both() -> None:
    expected = [f"/{one.path}" for one in FOREIGN.unowned]
    found = next(
        one for one in written(cyclonedx.write, FOREIGN)["components"] if one["name"] == "unowned-files"
    )
    assert [one["location"] for one in found["evidence"]["occurrences"]] == expected
    data = written(spdx.write, FOREIGN)
    held = {
        one["relatedSpdxElement"]
        for one in data["relationships"]
        if one["spdxElementId"] == spdx_elements.UNOWNED
    }
    assert sorted(one["fileName"][1:] for one in data["files"] if one["SPDXID"] in held) == expected


def test_a_foreign_image_is_marked_as_such() -> None:
    assert written(spdx.write, FOREIGN)["comment"].startswith("The image was built elsewhere")


@pytest.mark.parametrize("library", [spdx.LIBRARY, cyclonedx.LIBRARY])
def test_the_libraries_are_those_that_the_keys_of_kept_parts_name(library: str) -> None:
    name, _, pinned = library.partition(" ")
    assert version(name) == pinned
