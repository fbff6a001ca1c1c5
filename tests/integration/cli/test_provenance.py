"""What a build says of how it came about, beside the image."""

import hashlib
import json
from typing import Any

from tests.integration.cli.desk import IMAGE_FILE, LOCK_FILE, RESULT, Desk

STATEMENT = f"{RESULT}/provenance.json"


def told(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((desk.work / STATEMENT).read_text())
    return found


def inputs(desk: Desk) -> dict[str, str]:
    rows = told(desk)["predicate"]["buildDefinition"]["resolvedDependencies"]
    return {row["name"]: row["digest"]["sha256"] for row in rows}


def test_it_is_of_the_image_that_was_built(used: Desk, digest: str) -> None:
    assert told(used)["subject"] == [
        {"name": "temper/app:hardened", "digest": {"sha256": digest.removeprefix("sha256:")}}
    ]


def test_it_names_every_file_that_was_read(used: Desk) -> None:
    found = inputs(used)
    for path in (IMAGE_FILE, LOCK_FILE):
        assert found[path] == hashlib.sha256((used.work / path).read_bytes()).hexdigest()
    assert {"profiles/hardened.yaml", "profiles/baseline.yaml"} <= found.keys()
    lock = json.loads((used.work / LOCK_FILE).read_text())
    for package in lock["platforms"]["linux/amd64"]["packages"]:
        assert found[package["path"].rpartition("/")[2]] == package["sha256"]
    for index in lock["indexes"]:
        assert found[f"{index['archive']} {index['suite']} InRelease"] == index["sha256"]


def test_it_is_the_same_for_the_same_build(used: Desk) -> None:
    before = (used.work / STATEMENT).read_bytes()
    assert used.run("build", "app").code == 0
    assert (used.work / STATEMENT).read_bytes() == before
    text = before.decode()
    for secret in (str(used.root), used.mirror.url):
        assert secret not in text


def test_an_image_of_ones_own_files(used: Desk) -> None:
    used.write("images/app/app/main.txt", "hello")
    image = used.work / IMAGE_FILE
    image.write_text(image.read_text() + "files: [{source: app/, target: /srv}]\n")
    assert used.run("build", "app").code == 0
    assert inputs(used)["/srv/main.txt"] == hashlib.sha256(b"hello").hexdigest()


def test_who_builds_is_told_by_who_hosts_it(used: Desk) -> None:
    assert told(used)["predicate"]["runDetails"]["builder"]["id"] == "urn:temper:builder:unhosted"
    assert used.run("build", "app", env={"TEMPER_BUILDER_ID": "https://ci.example/build"}).code == 0
    assert told(used)["predicate"]["runDetails"]["builder"]["id"] == "https://ci.example/build"
