"""What a person reads when a file is wrong: each case compares the whole message."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from builder.config.parse import parse_image, parse_profile
from builder.config.schema import image_schema, profile_schema, schema
from builder.config.wording import ELSEWHERE, FORMS, IN_THE_PROFILE, keys
from builder.errors import InputError
from builder.model import profile, spec
from tests.unit.config.cases import cases, message


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_message(case: Path) -> None:
    assert message(case) == (case / "expected.txt").read_text()


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_message_has_the_form_of_the_house(case: Path) -> None:
    for line in message(case).splitlines():
        place, _, rest = line.partition(": ")
        assert place.partition(":")[0].endswith(".yaml")
        assert "; " in rest, "says what to do"
        assert not rest.endswith(".")


def test_wrong_input_has_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "image.yaml").write_text("descriptoin: x\nbase: debian/trixie\nentrypoint: [python3]\n")
    with pytest.raises(InputError) as caught:
        parse_image(tmp_path / "image.yaml")
    problem = f"{tmp_path}/image.yaml:1: descriptoin: unknown key; did you mean 'description'?"
    assert caught.value.problems == (problem,)
    assert caught.value.exit_code == 2


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        parse_profile(tmp_path / "bank.yaml")
    assert str(caught.value) == f"{tmp_path}/bank.yaml: there is no such file; create it"


def test_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        parse_profile(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a directory; make it a file that you can read"


def test_file_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "bank.yaml").write_bytes(b"title: Bank\ndescription: caf\xe9\n")
    with pytest.raises(InputError) as caught:
        parse_profile(tmp_path / "bank.yaml")
    assert str(caught.value) == f"{tmp_path}/bank.yaml:2: not UTF-8; save the file as UTF-8"


def test_file_that_is_too_long(tmp_path: Path) -> None:
    (tmp_path / "bank.yaml").write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(InputError) as caught:
        parse_profile(tmp_path / "bank.yaml")
    assert str(caught.value) == f"{tmp_path}/bank.yaml: 1048577 bytes is too long; 1048576 is the most"


def test_every_pattern_has_words() -> None:
    schemas = [image_schema(), profile_schema({}), schema("vex")]
    assert set(_patterns(schemas)) <= set(FORMS)


def _patterns(part: object) -> list[str]:
    if isinstance(part, list):
        return [pattern for item in part for pattern in _patterns(item)]
    if not isinstance(part, dict):
        return []
    own = [part["pattern"]] if isinstance(part.get("pattern"), str) else []
    return own + list(part.get("patternProperties", {})) + _patterns(list(part.values()))


@pytest.mark.parametrize("name", ELSEWHERE)
def test_foreign_keys_lead_to_keys_that_exist(name: str) -> None:
    model: type[BaseModel] = getattr(spec, name, None) or getattr(profile, name)
    nested = [f"python.{key}" for key in keys(spec.PythonSpec)]
    assert set(ELSEWHERE[name].values()) <= {*keys(model), *nested}
    assert not set(ELSEWHERE[name]) & set(keys(model))


def test_keys_of_the_profile_are_no_keys_of_an_image() -> None:
    assert not set(IN_THE_PROFILE) & set(keys(spec.ImageSpec))
