"""What a verb says to a person is text, whatever stands in an image."""

import pytest

from builder.cli.answers import answer


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("deb libc6\t2.41\nfiles", "deb libc6\t2.41\nfiles\n"),
        ("deb \x1b[31mred\x07", "deb \N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}\n"),
    ],
)
def test_text_holds_no_command_for_a_terminal(
    said: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(said, str, as_json=False)
    assert capsys.readouterr().out == shown


def test_data_is_told_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    answer({"name": "\x1b"}, str, as_json=True)
    assert capsys.readouterr().out == '{\n  "name": "\\u001b"\n}\n'
