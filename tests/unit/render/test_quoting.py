import shlex

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import InputError
from builder.render.dockerfile import meaning
from builder.render.quoting import (
    account_field,
    comment,
    compose_string,
    dockerfile_string,
    dockerfile_word,
    json_array,
    kubernetes_quantity,
    shell_word,
    yaml_array,
    yaml_string,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LINE = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]))


@given(LINE)
def test_a_dockerfile_string_means_the_value(value: str) -> None:
    assert meaning(f"ENV A={dockerfile_string(value)}") == [f"ENV A={value}"]


@pytest.mark.parametrize("value", ["a\nRUN id", "a\r", "a\0"])
def test_a_line_break_is_refused_in_a_dockerfile_string(value: str) -> None:
    with pytest.raises(InputError) as caught:
        dockerfile_string(value)
    assert str(caught.value) == (
        f"{value!r}: holds a line break, which a Dockerfile can't; write it on one line"
    )


@given(TEXT)
def test_a_yaml_string_is_read_back_as_it_was(value: str) -> None:
    assert yaml.safe_load(f"key: {yaml_string(value)}\nnext: 1") == {"key": value, "next": 1}


@given(st.lists(TEXT))
def test_a_yaml_array_is_read_back_as_it_was(values: list[str]) -> None:
    assert yaml.safe_load(yaml_array(values)) == values


def test_a_compose_string_starts_no_variable() -> None:
    assert compose_string("$HOME and ${X}") == '"$$HOME and $${X}"'


@given(TEXT)
def test_a_shell_word_is_one_word(value: str) -> None:
    assert shlex.split(shell_word(value)) == [value]


def test_an_exec_form_is_ascii_json() -> None:
    assert json_array(("größer", 'a"b')) == '["gr\\u00f6\\u00dfer", "a\\"b"]'


@pytest.mark.parametrize(("size", "quantity"), [("64k", "64Ki"), ("512m", "512Mi"), ("2g", "2Gi")])
def test_a_size_becomes_a_kubernetes_quantity(size: str, quantity: str) -> None:
    assert kubernetes_quantity(size) == quantity


def test_a_word_that_would_not_stay_one_is_refused() -> None:
    assert dockerfile_word("65532:65532") == "65532:65532"
    with pytest.raises(InputError) as caught:
        dockerfile_word("a b")
    assert str(caught.value) == "'a b': can't stand in a Dockerfile; use letters, digits and . _ - / :"


def test_an_account_field_stays_one_field() -> None:
    with pytest.raises(InputError) as caught:
        account_field("a:0")
    assert str(caught.value) == "'a:0': a field of an account file holds no colon and no line break"


def test_a_comment_stays_one_line() -> None:
    assert comment("a\nRUN id ☃") == "a?RUN id ?"
