"""`temper reproduce`: the published image, built again here."""

import json
from typing import Any

import pytest

from tests.integration.cli.desk import IMAGE_FILE, LOCK_FILE, RESULT, Desk
from tests.integration.registry import Registry

REPOSITORY = "team/app"
FILE = "images/app/app/main.txt"


@pytest.fixture
def name(registry: Registry) -> str:
    return f"{registry.host}/{REPOSITORY}:1.0"


@pytest.fixture
def published(used: Desk, name: str) -> Desk:
    """With a file of one's own."""
    used.write(FILE, "hello, world")
    image = used.work / IMAGE_FILE
    image.write_text(image.read_text() + "files: [{source: app/, target: /srv}]\n")
    assert used.run("build", "app").code == 0
    assert used.run("publish", "app", name).code == 0
    return used


def digest_of(desk: Desk) -> str:
    index = json.loads((desk.work / RESULT / "oci/index.json").read_text())
    found: str = index["manifests"][0]["digest"]
    return found


def answer(desk: Desk, name: str) -> tuple[int, dict[str, Any]]:
    ran = desk.run("reproduce", name, "--json")
    return ran.code, json.loads(ran.out)


def test_the_same_sources_give_the_same_digest(published: Desk, name: str) -> None:
    digest = digest_of(published)
    assert answer(published, name) == (
        0,
        {
            "reference": name,
            "platform": "linux/amd64",
            "published": digest,
            "rebuilt": digest,
            "reproduced": True,
            "difference": None,
        },
    )
    assert published.run("reproduce", name).out == f"{name}, linux/amd64: reproduced, {digest}\n"


def test_nothing_of_what_was_built_here_is_touched(published: Desk, name: str) -> None:
    before = {path: path.read_bytes() for path in (published.work / RESULT).rglob("*") if path.is_file()}
    assert published.run("reproduce", name).code == 0
    after = {path: path.read_bytes() for path in (published.work / RESULT).rglob("*") if path.is_file()}
    assert after == before


def test_the_date_that_was_set_is_set_again(published: Desk, name: str) -> None:
    env = {"SOURCE_DATE_EPOCH": "1700000000"}
    assert published.run("build", "app", env=env).code == 0
    assert published.run("publish", "app", name).code == 0
    assert answer(published, name)[0] == 0


def test_a_file_that_is_another_now(published: Desk, name: str) -> None:
    """The first byte that differs is named."""
    published.write(FILE, "hello, World")
    code, found = answer(published, name)
    assert (code, found["reproduced"]) == (1, False)
    assert found["difference"].endswith(": /srv/main.txt: byte 7 differs")
    ran = published.run("reproduce", name)
    assert ran.out.splitlines() == [
        f"{name}, linux/amd64: NOT reproduced",
        f"  published {found['published']}",
        f"  rebuilt   {found['rebuilt']}",
        f"  first difference: {found['difference']}",
    ]


@pytest.mark.parametrize("path", [IMAGE_FILE, LOCK_FILE])
def test_other_sources_are_refused(published: Desk, name: str, path: str) -> None:
    file = published.work / path
    file.write_text(file.read_text() + "\n")
    said = f"temper: {path}: is not the one that the image was built from; check out its commit\n"
    assert published.refused("reproduce", name) == (2, said)


def test_an_image_without_provenance(used: Desk, name: str) -> None:
    (used.work / RESULT / "provenance.json").unlink()
    assert used.run("publish", "app", name).code == 0
    said = f"temper: '{name}': has no provenance that Temper wrote; publish it again\n"
    assert used.refused("reproduce", name) == (2, said)


def test_a_provenance_of_another_image_counts_for_nothing(published: Desk, name: str) -> None:
    statement = published.work / RESULT / "provenance.json"
    digest = digest_of(published).removeprefix("sha256:")
    statement.write_text(statement.read_text().replace(digest, "0" * 64))
    code, said = published.refused("publish", "app", name)
    assert code == 2
    assert said.startswith(f"temper: {RESULT}/provenance.json: speaks of another image than sha256:{digest}")


def test_another_platform(published: Desk, name: str) -> None:
    said = f"temper: '{name}': is for 'linux/amd64', not for 'linux/arm64'; name it by --platform\n"
    assert published.refused("reproduce", name, "--platform", "linux/arm64") == (2, said)


def test_a_tag_that_is_not_there(published: Desk, name: str) -> None:
    ran = published.run("reproduce", name.replace("1.0", "absent"))
    assert (ran.code, ran.err.splitlines()[-1]) == (
        2,
        f"temper: '{name.replace('1.0', 'absent')}': the registry has no such tag",
    )
