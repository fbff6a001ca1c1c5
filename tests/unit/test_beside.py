"""What stands beside a layout is read with suspicion: it may be missing, broken or of another image."""

import json
from pathlib import Path
from typing import Any

import pytest

from builder.beside import LARGEST, beside
from builder.model.beside import StatedProvenance

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
