"""What a person reads when a VEX file is wrong: each case compares the whole message."""

import datetime
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from builder.config.document import read
from builder.config.schema import schema
from builder.config.vex import statements
from builder.errors import InputError

PAGE = Path(__file__).parents[3] / "docs/scanning.md"
SOUND = """\
author: Platform security <security@example.org>
statements:
  - vulnerability: CVE-2026-0001
    packages: [libc6]
    status: not_affected
    justification: vulnerable_code_not_in_execute_path
    statement: >-
      Nothing here
      resolves names
    date: 2026-11-01
    expires: 2027-03-31
"""
JUSTIFICATIONS = (
    "component_not_present, vulnerable_code_not_present, vulnerable_code_not_in_execute_path, "
    "vulnerable_code_cannot_be_controlled_by_adversary, inline_mitigations_already_exist"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vex").mkdir()


def message(text: str, name: str = "a.yaml") -> str:
    (Path("vex") / name).write_text(text)
    with pytest.raises(InputError) as caught:
        statements([Path()], "python", ["notebook"])
    return str(caught.value)


def without(line: str) -> str:
    kept = [one for one in SOUND.splitlines(keepends=True) if not one.strip(" -").startswith(line)]
    return "".join(kept)


def test_sound() -> None:
    Path("vex/a.yaml").write_text(SOUND)
    [one] = statements([Path()], "python", [])
    assert (str(one), one.label) == ("vex/a.yaml:3", "vex/a.yaml: vulnerable_code_not_in_execute_path")
    assert one.statement.statement == "Nothing here resolves names"
    assert one.statement.expires == datetime.date(2027, 3, 31)


def test_the_example_of_the_page_is_sound() -> None:
    _, _, rest = PAGE.read_text().partition("```yaml\nauthor:")
    Path("vex/page.yaml").write_text(f"author:{rest.partition('```')[0]}")
    [one] = statements([Path()], "python", ["notebook"])
    assert one.statement.images == ("python", "notebook")
    fits = Draft202012Validator(schema("vex"))
    assert list(fits.iter_errors(json.loads(json.dumps(read(Path("vex/page.yaml")).data, default=str)))) == []


def test_there_may_be_none() -> None:
    assert statements([Path(), Path("nowhere")], "python", []) == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "vulnerable_code_not_in_execute_path",
            "vulnerable_code_not_in_path",
            (
                "6: statements[0].justification: 'vulnerable_code_not_in_path' is not known here; "
                "did you mean 'vulnerable_code_not_in_execute_path'?"
            ),
        ),
        (
            "status: not_affected",
            "status: not-affected",
            "5: statements[0].status: 'not-affected' is not known here; did you mean 'not_affected'?",
        ),
        (
            "status: not_affected",
            "status: under_investigation",
            "3: statements[0]: 'under_investigation' takes no justification; remove it",
        ),
        (
            "    expires: 2027-03-31\n",
            "",
            "3: statements[0]: 'not_affected' excuses findings until a day; write it as 'expires'",
        ),
        (
            "expires: 2027-03-31",
            "expires: 2026-10-31",
            "3: statements[0]: expires on 2026-10-31, before it was made; correct one of the dates",
        ),
        (
            "expires: 2027-03-31",
            "expires: 2027-02-30",
            "11: statements[0].expires: '2027-02-30' is not a date; write year-month-day, such as 2027-03-31",
        ),
        (
            "packages: [libc6]",
            "packages: []",
            "4: statements[0].packages: empty; write at least one item",
        ),
        (
            "packages: [libc6]",
            "package: libc6",
            "4: statements[0].package: unknown key; did you mean 'packages'?",
        ),
        (
            "CVE-2026-0001",
            "openssl",
            (
                "3: statements[0].vulnerability: 'openssl' is not a vulnerability's name; "
                "write one such as 'CVE-2026-1234'"
            ),
        ),
        (
            "    date: 2026-11-01\n",
            "",
            "3: statements[0].date: missing; add it",
        ),
        (
            "packages: [libc6]",
            "packages: [libc6]\n    images: [pyton]",
            "5: statements[0].images[0]: unknown image 'pyton'; did you mean 'python'?",
        ),
        (
            "expires: 2027-03-31",
            "expires: 2027-03-31\n    revoked: wrong",
            "12: statements[0].revoked: 'wrong' is text; write a mapping with the keys: date, reason",
        ),
        ("author: Platform security <security@example.org>", "author: ''", "1: author: empty; write text"),
    ],
)
def test_messages(old: str, new: str, expected: str) -> None:
    assert message(SOUND.replace(old, new)) == f"vex/a.yaml:{expected}"


def test_no_justification() -> None:
    assert message(without("justification")) == (
        f"vex/a.yaml:3: statements[0]: 'not_affected' needs a justification; write one of: {JUSTIFICATIONS}"
    )


def test_affected_without_an_action() -> None:
    text = without("justification").replace("not_affected", "affected")
    assert message(text) == (
        "vex/a.yaml:3: statements[0]: 'affected' needs an action; write what users of the image do"
    )


def test_an_empty_file() -> None:
    assert message("") == "vex/a.yaml:1: empty; write at least: author, statements"


def test_a_file_that_nobody_would_read() -> None:
    assert message(SOUND, "b.yml") == "vex/b.yml: not read; rename it to 'b.yaml'"


def test_all_files_are_told_at_once() -> None:
    Path("vex/a.yaml").write_text("author: me\n")
    assert message(without("date"), "b.yaml").splitlines() == [
        "vex/a.yaml:1: statements: missing; add it",
        "vex/b.yaml:3: statements[0].date: missing; add it",
    ]


def test_statements_about_other_images_are_not_taken() -> None:
    Path("vex/a.yaml").write_text(SOUND.replace("[libc6]", "[libc6]\n    images: [notebook]"))
    assert statements([Path()], "python", ["notebook"]) == ()
    assert len(statements([Path()], "notebook", [])) == 1
