"""The SBOM files beside a layout, and what is read back of them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from builder import bills
from builder.bills import stated, write_bills
from builder.model.report import SbomRow
from builder.model.sbom import FILES, StatedSbom
from builder.model.spec import FileSpec
from builder.model.tree import Owner
from builder.packages.store import Store
from tests.unit.controls.sound import plan
from tests.unit.supply.samples import DIGEST, entries, image, lock


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def write(store: Store, folder: Path) -> SbomRow:
    return write_bills(store, plan(), image(), lock(), folder / "sbom").row


PACKAGES = frozenset({("deb", "libdemo++1", "1:2.0-3"), ("wheel", "demo", "1.0")})


def test_what_is_written_names_the_image_and_its_packages(store: Store, tmp_path: Path) -> None:
    row = write(store, tmp_path)
    assert row.owned_files == row.files == 12
    assert stated(store, tmp_path) == (
        StatedSbom(file="sbom/spdx.json", digest=DIGEST, packages=PACKAGES),
        StatedSbom(file="sbom/cyclonedx.json", digest=DIGEST, packages=PACKAGES),
    )


def test_the_second_time_nothing_is_made(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(store, tmp_path / "a")

    def never(*_: object) -> None:
        pytest.fail("made again")

    monkeypatch.setattr(bills, "_made", never)
    assert write(store, tmp_path / "b") == first
    for name in ("spdx.json", "cyclonedx.json"):
        assert (tmp_path / "a/sbom" / name).read_bytes() == (tmp_path / "b/sbom" / name).read_bytes()


def test_another_owner_is_another_document(store: Store, tmp_path: Path) -> None:
    """Though the image has the same digest: its bytes don't say which line of `files:` brought a file."""
    write(store, tmp_path)
    before = (tmp_path / "sbom/spdx.json").read_bytes()
    spec = plan().spec.model_copy(update={"files": (FileSpec(source="web/", target="/app"),)})
    web = Owner(kind="file", name="web/")
    owned = [one.replace(owner=web) if one.path == "app/server.py" else one for one in entries()]
    write_bills(store, replace(plan(), spec=spec), image(owned), lock(), tmp_path / "sbom")
    assert (tmp_path / "sbom/spdx.json").read_bytes() != before


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "is missing"),
        ("", "is no SBOM that can be read"),
        ("{", "is no SBOM that can be read"),
        ("[]", "is no SBOM that can be read"),
        ("{}", "is no SBOM that can be read"),
        ('{"bomFormat": "CycloneDX"}', "is no SBOM that can be read"),
        ('{"packages": [{"SPDXID": "SPDXRef-Other"}]}', "is no SBOM that can be read"),
        ('{"packages": 3}', "is no SBOM that can be read"),
        ("[" * 100_000, "is no SBOM that can be read"),
    ],
)
def test_a_document_that_is_none_is_said_to_be_none(
    store: Store, tmp_path: Path, text: str | None, problem: str
) -> None:
    write(store, tmp_path)
    path = tmp_path / "sbom/spdx.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    assert stated(store, tmp_path)[0] == StatedSbom(file="sbom/spdx.json", problem=problem)


@pytest.mark.parametrize("name", FILES.values())
def test_what_was_cut_off_or_bent_is_none(store: Store, tmp_path: Path, name: str) -> None:
    """Wherever that was: also among the files, of which nothing is looked at."""
    write(store, tmp_path)
    path = tmp_path / "sbom" / name
    lines = path.read_bytes().splitlines(keepends=True)
    path.unlink()
    for number in range(len(lines)):
        for damaged in (lines[:number], [*lines[:number], lines[number][:-4], *lines[number + 1 :]]):
            path.write_bytes(b"".join(damaged))
            found = {one.file: one.problem for one in stated(store, tmp_path)}
            assert found[f"sbom/{name}"] == "is no SBOM that can be read"


@pytest.mark.parametrize("name", FILES.values())
def test_other_lines_say_the_same(store: Store, tmp_path: Path, name: str) -> None:
    write(store, tmp_path)
    path = tmp_path / "sbom" / name
    data = json.loads(path.read_bytes())
    path.unlink()
    for indent in (None, 1, 4):
        path.write_text(json.dumps(data, indent=indent))
        assert StatedSbom(file=f"sbom/{name}", digest=DIGEST, packages=PACKAGES) in stated(store, tmp_path)


def test_one_that_is_too_large_is_not_read(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, tmp_path)
    monkeypatch.setattr(bills, "LARGEST", 100)
    assert stated(store, tmp_path)[0].problem == "has more than 100 bytes"


def test_what_somebody_changed_is_seen(store: Store, tmp_path: Path) -> None:
    write(store, tmp_path)
    path = tmp_path / "sbom/spdx.json"
    data = json.loads(path.read_bytes())
    data["packages"] = [one for one in data["packages"] if one["name"] != "demo"]
    path.unlink()
    path.write_text(json.dumps(data))
    assert stated(store, tmp_path)[0].packages == PACKAGES - {("wheel", "demo", "1.0")}
