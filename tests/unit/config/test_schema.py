import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from builder.config.document import read
from builder.config.schema import schema
from builder.controls.catalogue import BY_KEY
from builder.resources import data_folder
from tests.unit.config.cases import CASES, CATALOGUE, SOUND

TOP = Path(__file__).resolve().parents[3]


def problems(kind: str, path: Path, controls: bool = True) -> list[str]:
    made = schema(kind, CATALOGUE if controls else None)
    data = json.loads(json.dumps(read(path).data, default=str))
    found = Draft202012Validator(made, format_checker=FormatChecker()).iter_errors(data)
    return [error.json_path for error in found]


@pytest.mark.parametrize("kind", ["image", "profile", "vex"])
def test_schema_is_valid(kind: str) -> None:
    Draft202012Validator.check_schema(schema(kind, CATALOGUE))


def test_sound_files_fit() -> None:
    assert problems("image", SOUND / "images/app/image.yaml") == []
    for path in sorted((SOUND / "profiles").glob("*.yaml")):
        assert problems("profile", path) == []


def test_built_in_files_fit() -> None:
    for path in sorted(data_folder().glob("images/*/image.yaml")):
        assert problems("image", path) == []
    for path in sorted(data_folder().glob("profiles/*.yaml")):
        assert problems("profile", path, controls=False) == []


def test_editors_know_that_a_variant_says_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "image.yaml"
    image = "description: x\nbase: debian/trixie\nentrypoint: [a]\npython: {version: '3.13'}\n"
    path.write_text(image + "variants:\n  b: {python: {bytecode: true}, healthcheck: {interval: 9}}\n")
    assert problems("image", path) == []
    for wrong in ("B: {ports: [1]}", "b: {files: [{source: a/}]}", "b: {prots: [1]}", "b: {variants: {}}"):
        path.write_text(f"{image}variants:\n  {wrong}\n")
        assert len(problems("image", path)) == 1, wrong


@pytest.mark.parametrize("case", ["unknown-keys", "wrong-types", "wrong-values"])
def test_editors_refuse_what_temper_refuses(case: str) -> None:
    assert problems("image", CASES / case / "images/app/image.yaml")
    assert problems("profile", CASES / case / "profiles/bank.yaml")


@pytest.mark.parametrize("kind", ["image", "profile", "vex"])
def test_the_published_schema_is_what_temper_schema_prints(kind: str) -> None:
    published = TOP / "docs/schema" / f"{kind}.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == schema(kind, BY_KEY)


def test_built_in_files_name_the_published_schema() -> None:
    """So that an editor helps with them at once; the path is relative to the file."""
    for path in (*TOP.glob("images/*/image.yaml"), *TOP.glob("profiles/*.yaml")):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        named = first.removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / named).resolve().parent == TOP / "docs/schema", path


def test_misspelt_control_is_seen_in_the_editor() -> None:
    assert problems("profile", CASES / "misspelt-control/profiles/bank.yaml") == ["$.controls"]


def test_the_reasons_of_the_types_are_the_editors_help() -> None:
    made = schema("image")
    assert made["$defs"]["FileSpec"]["properties"]["executable"] == {
        "default": False,
        "description": "Regular files get mode 0755 instead of 0644.",
        "type": "boolean",
    }
    assert made["properties"]["base"]["description"] == "`debian/trixie` or `debian/bookworm`."


def test_controls_bring_their_text_and_parameters() -> None:
    control = schema("profile", CATALOGUE)["properties"]["controls"]["properties"]["max-size"]
    assert control["title"] == "A control of the tests"
    assert control["anyOf"][2]["properties"]["megabytes"] == {"exclusiveMinimum": 0, "type": "integer"}
    assert "required" not in control["anyOf"][2]
