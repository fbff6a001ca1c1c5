"""The notebook's token: what is taken for one, and what is refused before anything starts."""

import importlib.util
from pathlib import Path

import pytest

START = Path(__file__).parents[3] / "images/notebook/app/start.py"
spec = importlib.util.spec_from_file_location("notebook_start", START)
assert spec is not None
assert spec.loader is not None
start = importlib.util.module_from_spec(spec)
spec.loader.exec_module(start)

TOKEN = "0123456789abcdef"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "token"


@pytest.mark.parametrize("text", [TOKEN, f"{TOKEN}\n", f" {TOKEN}\r\n\n"])
def test_the_only_line_is_the_token(file: Path, text: str) -> None:
    file.write_bytes(text.encode())
    assert start.read_token(file) == TOKEN


SHORT = "not one line of 16 characters or more; write a longer token"
REFUSED = {
    b"": SHORT,
    b"\n\n": SHORT,
    b"0123456789abcde": SHORT,
    b"0123456789abcdef\n0123456789abcdef\n": SHORT,
    b"a token with spaces": "holds a space or a control character; write letters and digits",
    b"0123456789\x000123456789": "holds a space or a control character; write letters and digits",
    b"0123456789abcdef" * 257: "longer than 4096 bytes; write a shorter token",
    "\N{SNOWMAN}".encode() * 16: "not plain text; write letters and digits",
}


@pytest.mark.parametrize(("content", "problem"), REFUSED.items())
def test_what_is_no_token(file: Path, content: bytes, problem: str) -> None:
    file.write_bytes(content)
    with pytest.raises(start.TokenError) as caught:
        start.read_token(file)
    assert str(caught.value) == f"{file}: {problem}"


def test_no_file(file: Path) -> None:
    with pytest.raises(start.TokenError) as caught:
        start.read_token(file)
    assert str(caught.value) == (
        f"{file}: No such file or directory; mount a folder on '{file.parent}' that holds the file 'token'"
    )


def test_it_ends_before_anything_is_imported(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("short")
    monkeypatch.setattr(start, "TOKEN_FILE", file)
    monkeypatch.setattr(start.os, "umask", lambda _: None)
    assert start.main() == 2
    assert capsys.readouterr().err == f"{file}: {SHORT}\n"


def test_the_token_is_said_to_the_server_and_nothing_opens_it_without() -> None:
    said = start.settings(TOKEN)
    assert said["IdentityProvider"] == {"token": TOKEN}
    assert said["ServerApp"]["terminals_enabled"] is False
