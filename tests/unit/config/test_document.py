import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.config.document import Document, read


def document(tmp_path: Path, text: str) -> Document:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return read(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8000", 8000),
        ("-1", -1),
        ("1.5", 1.5),
        ("true", True),
        ("False", False),
        ("2027-03-31", datetime.date(2027, 3, 31)),
        ("2027-02-30", "2027-02-30"),
        ("1.2.3", "1.2.3"),
        ("64m", "64m"),
        ("=", "="),
        ("nope", "nope"),
        ('"010"', "010"),
        ("'NO'", "NO"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        (">-\n  two\n  lines\n", "two lines"),
    ],
)
def test_values_that_all_yaml_readers_read_alike(tmp_path: Path, text: str, value: Any) -> None:
    found = document(tmp_path, f"key: {text}")
    assert found.problems == []
    assert found.data == {"key": value}
    assert type(found.data["key"]) is type(value)


@pytest.mark.parametrize("text", ["NO", "no", "off", "yes", "On", "YES"])
def test_booleans_that_are_words_to_others(tmp_path: Path, text: str) -> None:
    meant = "true" if text.lower() in {"yes", "on"} else "false"
    (problem,) = document(tmp_path, f"key: {text}").problems
    said = f"'{text}' is {meant} to some YAML readers and a word to others"
    assert problem.text == f'{said}; write {meant}, or text in quotes: "{text}"'


@pytest.mark.parametrize(
    "text",
    [
        "010",
        "0o10",
        "0x10",
        "0b1",
        "1_000",
        "1:30",
        "1e3",
        "1.5e3",
        "08",
        ".inf",
        ".nan",
        "1.5e+400",
        "+.5e-100",
    ],
)
def test_numbers_that_are_others_to_others(tmp_path: Path, text: str) -> None:
    (problem,) = document(tmp_path, f"key: {text}").problems
    said = f"'{text}' is not the same number to every YAML reader"
    assert problem.text == f'{said}; write plain digits, or text in quotes: "{text}"'


def test_keys_are_text_whatever_yaml_takes_them_for(tmp_path: Path) -> None:
    found = document(tmp_path, "off: a\nNO: b\n3.10: c\n010: d\n2027-03-31: e\n")
    assert found.problems == []
    assert list(found.data) == ["off", "NO", "3.10", "010", "2027-03-31"]


def test_every_value_has_its_line(tmp_path: Path) -> None:
    found = document(tmp_path, "# comment\na:\n  - b\n  - c: 1\n    d: |\n      text\n")
    assert found.lines == {(): 1, ("a",): 2, ("a", 0): 3, ("a", 1): 4, ("a", 1, "c"): 4, ("a", 1, "d"): 5}


def test_a_problem_without_a_line_of_its_own_has_its_parents(tmp_path: Path) -> None:
    found = document(tmp_path, "a:\n  b: 1\n")
    assert str(found.problem(("a", "c", 0), "wrong; mend it")).endswith("x.yaml:1: a.c[0]: wrong; mend it")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: @x", 1, "text can't begin with '@'; put it in quotes"),
        ("a: `x`", 1, "text can't begin with '`'; put it in quotes"),
        ("a: %x", 1, "text can't begin with '%'; put it in quotes"),
        ("a: - b", 1, "a list item that can't stand here; begin it on its own line"),
        ('a: "\\z"', 1, "an escape that double quotes don't know; use single quotes"),
        ("a: 'x' y", 1, "text after a value that ended; put it all in quotes"),
        ("a: {b: 1", 1, "a mapping that is not closed; add the ',' or '}'"),
        ("  a: 1\nb: 2\n", 2, "indented unlike the lines above; align it"),
        ("a:\n    b: 2\n  c: 3\n", 3, "indented unlike the lines above; align it"),
        ("a: 1\nb: \x01\n", 2, "a control character, 0x1; remove it"),
        ("[" * 30, 1, "nested too deep; the forms need five levels at most"),
    ],
)
def test_syntax_in_plain_words(tmp_path: Path, text: str, line: int, said: str) -> None:
    found = document(tmp_path, text)
    assert not found.readable
    assert [(problem.line, problem.text) for problem in found.problems] == [(line, said)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x\\0y", "holds a NUL character; remove it"),
        ("\\ud83d\\ude00", "holds half of a surrogate pair; write the character itself"),
    ],
)
@pytest.mark.parametrize("line", ['a: "{}"', '"{}": a'])
def test_escapes_of_what_nothing_can_hold(tmp_path: Path, line: str, text: str, said: str) -> None:
    (problem,) = document(tmp_path, line.format(text)).problems
    assert problem.text == said


def test_empty_key_is_refused(tmp_path: Path) -> None:
    (problem,) = document(tmp_path, '"": x').problems
    assert problem.text == "an empty key; give it a name"


def test_tags_on_quoted_text_are_no_way_around(tmp_path: Path) -> None:
    found = document(tmp_path, "a: !!int 'x'\nb: !!bool 'maybe'\nc: !!float '1e999'\n")
    assert [problem.at for problem in found.problems] == [("a",), ("b",), ("c",)]


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet=st.sampled_from("ab:-#{}[]\"'|>&*!%@?,~\n\t 01.\0\x85\ufeff"), max_size=40))
def test_no_text_makes_reading_fail(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text)
    found = read(path)
    assert found.readable or len(found.problems) == 1
    assert all(problem.line >= 1 for problem in found.problems)


SIGNS = st.sampled_from(
    [
        *"-:,[]{}#&*!|>'\"%@`?~<= \n",
        "  ",
        "\t",
        "\r\n",
        "\n  ",
        "\n- ",
        ": ",
        "key: ",
        "x",
        "é",
        "\u2028",
        "\ufeff",
        "1_0",
    ]
)
LINES = st.lists(
    st.sampled_from(["a: 1", "b:", "  - x", "  c: [1, 2]", "- y", "'q': \"z\"", "? k", ": v", "---", "..."])
)


@settings(max_examples=400, deadline=None)
@given(st.lists(SIGNS, max_size=14).map("".join) | LINES.map("\n".join))
def test_both_parsers_read_alike(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """What libyaml takes, PyYAML's own takes too, with the same lines; the others' messages are PyYAML's."""
    folder = tmp_path_factory.getbasetemp()
    found = document(folder, text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml, "__with_libyaml__", False)
        assert document(folder, text) == found
