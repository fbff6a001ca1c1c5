"""Provenance: of SLSA's form, complete, and the same bytes for the same build."""

import json
from dataclasses import replace

import pytest
from google.protobuf.json_format import Parse
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from packageurl import PackageURL

from builder.model.lock import LockedIndex, LockedPackage, LockedPlatform, LockedWheel
from builder.supply.provenance import Input, Making, deb_purl, provenance, wheel_purl

A, B, C, D = (letter * 64 for letter in "abcd")


def package(name: str, version: str, architecture: str = "amd64") -> LockedPackage:
    path = f"pool/main/{name[0]}/{name}/{name}_{version}_{architecture}.deb"
    return LockedPackage(
        name=name, version=version, architecture=architecture, archive="debian", path=path,
        size=1, sha256=A, because="image",
    )  # fmt: skip


def wheel(name: str, version: str) -> LockedWheel:
    return LockedWheel(
        name=name, version=version, filename=f"{name}-{version}-py3-none-any.whl", size=1, sha256=B
    )


INDEX = LockedIndex(
    archive="debian", suite="trixie", date=1_760_000_000, valid_until=None, sha256=C, signed_by=("AB12",)
)
MAKING = Making(
    image="python",
    profile="hardened",
    platform="linux/amd64",
    name="temper/python:hardened",
    digest=f"sha256:{D}",
    sources=(
        Input(name="profiles/hardened.yaml", sha256=B),
        Input(name="images/python/image.yaml", sha256=A),
    ),
    indexes=(INDEX,),
    section=LockedPlatform(
        packages=(package("libc6", "2.41-12"),),
        wheels=(wheel("numpy", "2.5.0"),),
        toolbox=(package("strace", "6.13"),),
    ),
    distribution="debian-13",
    epoch=None,
    libraries=(("deflate", "0.9.0"),),
)


def test_it_is_a_statement_of_the_image() -> None:
    data = provenance(MAKING)
    statement = Parse(data, statement_pb2.Statement())
    assert statement.predicate_type == "https://slsa.dev/provenance/v1"
    [subject] = statement.subject
    assert (subject.name, dict(subject.digest)) == ("temper/python:hardened", {"sha256": D})


def test_its_predicate_is_of_slsas_form() -> None:
    """Unknown fields are errors to the parser."""
    predicate = json.loads(provenance(MAKING))["predicate"]
    found = Parse(json.dumps(predicate), provenance_pb2.Provenance())
    assert found.build_definition.build_type == "urn:temper:build:1"
    assert found.run_details.builder.id == "urn:temper:builder:unhosted"
    assert dict(found.build_definition.external_parameters) == {
        "image": "python",
        "profile": "hardened",
        "platform": "linux/amd64",
    }


def test_every_input_is_there_with_its_digest() -> None:
    """What only verification brings along is none."""
    rows = json.loads(provenance(MAKING))["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert [(row["name"], row["digest"]["sha256"], row.get("uri")) for row in rows] == [
        ("images/python/image.yaml", A, None),
        ("profiles/hardened.yaml", B, None),
        ("debian trixie InRelease", C, None),
        ("libc6_2.41-12_amd64.deb", A, "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13"),
        ("numpy-2.5.0-py3-none-any.whl", B, "pkg:pypi/numpy@2.5.0"),
    ]
    assert rows[2]["annotations"] == {"date": 1_760_000_000, "signed-by": ["AB12"]}


def test_what_somebody_set_is_told() -> None:
    found = json.loads(provenance(replace(MAKING, epoch=0, builder="https://ci.example/workflow")))[
        "predicate"
    ]
    assert found["buildDefinition"]["externalParameters"]["source-date-epoch"] == 0
    assert found["runDetails"]["builder"]["id"] == "https://ci.example/workflow"


@pytest.mark.parametrize(
    ("name", "version"), [("libstdc++6", "14.2.0-19"), ("a", "2:1.2~rc1+b1"), ("x", "1%2")]
)
def test_purls_are_those_of_the_library(name: str, version: str) -> None:
    qualifiers = {"arch": "amd64", "distro": "debian-13"}
    assert deb_purl(package(name, version), "debian-13") == str(
        PackageURL("deb", "debian", name, version, qualifiers)
    )
    assert wheel_purl(wheel("ruamel.yaml", "1.0+cu13")) == str(
        PackageURL("pypi", None, "ruamel.yaml", "1.0+cu13")
    )
