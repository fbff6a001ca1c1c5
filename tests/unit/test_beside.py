"""What stands beside a layout is read with suspicion: it may be missing, broken or of another image."""

import json
from pathlib import Path
from typing import Any

import pytest

from builder.beside import LARGEST, beside, publication, published
from builder.model.beside import StatedProvenance, StatedPublication

STATEMENT: dict[str, Any] = {
    "subject": [{"name": "x", "digest": {"sha256": "ab"}}],
    "predicate": {
        "buildDefinition": {
            "externalParameters": {"source-date-epoch": 5},
            "resolvedDependencies": [{"name": "libc6", "digest": {"sha256": "cd"}}],
        }
    },
}


def said(folder: Path, text: str) -> StatedProvenance | None:
    (folder / "provenance.json").write_text(text)
    return beside(folder, ()).provenance


def test_provenance_is_read(tmp_path: Path) -> None:
    assert said(tmp_path, json.dumps(STATEMENT)) == StatedProvenance(
        digest="sha256:ab", inputs=frozenset({"cd"}), epoch=5
    )


def test_without_provenance(tmp_path: Path) -> None:
    assert beside(tmp_path, ()).provenance == StatedProvenance(problem="is missing")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"subject": []}', '{"subject": [{"digest": 3}]}'])
def test_broken_provenance(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, text) == StatedProvenance(problem="is no provenance that can be read")


def test_provenance_that_nobody_would_write(tmp_path: Path) -> None:
    with (tmp_path / "provenance.json").open("wb") as file:
        file.truncate(LARGEST + 1)
    assert beside(tmp_path, ()).provenance == StatedProvenance(problem="has more than 67108864 bytes")


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "provenance.json").mkdir()
    assert beside(tmp_path, ()).provenance == StatedProvenance(problem="can't be read: is a directory")


def test_what_was_published_is_remembered_for_one_image(tmp_path: Path) -> None:
    first = publication(None, "sha256:1", "a:1", signed=False)
    (tmp_path / "published.json").write_bytes(first)
    known = published(tmp_path)
    assert known == StatedPublication(digest="sha256:1", references=(("a:1", False),))
    (tmp_path / "published.json").write_bytes(publication(known, "sha256:1", "b:1", signed=True))
    both = published(tmp_path)
    assert both == StatedPublication(digest="sha256:1", references=(("a:1", False), ("b:1", True)))
    assert json.loads(publication(both, "sha256:1", "a:1", signed=True))["references"] == {
        "a:1": True,
        "b:1": True,
    }
    assert json.loads(publication(both, "sha256:2", "c:1", signed=True)) == {
        "digest": "sha256:2",
        "references": {"c:1": True},
    }


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"digest": "x", "references": ["a"]}'])
def test_a_broken_record_of_what_was_published_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "published.json").write_text(text)
    assert published(tmp_path) is None
