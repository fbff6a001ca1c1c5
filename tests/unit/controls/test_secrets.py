"""What looks like a secret, and what only sounds like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.controls.audit import audit
from builder.controls.secrets import LOOKS, is_secret_name, look_of
from tests.unit.controls.sound import below, file, image, lock, plan, planned, put, set_env, wheel


@pytest.mark.parametrize(
    "name",
    ["HF_TOKEN", "DB_PASSWORD", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "SECRET", "my.api-key", "PASSWD"],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "TOKENIZERS_PARALLELISM",
        "GPG_KEY",
        "DB_PASSWORD_FILE",
        "KEYBOARD",
        "TOKEN_PATH",
        "SECRETARY",
        "PASSAGE",
    ],
)
def test_names_that_only_sound_so(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("value", ["", "4096", "true", "/run/secrets/token", "$TOKEN", "${TOKEN}"])
def test_values_that_tell_nobody_anything(value: str) -> None:
    (result,) = audit(set_env("MAX_TOKEN", value)(image()), None, None, [planned("no-secrets")])
    assert result.findings == ()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"x AKIA" + b"ABCDEFGH12345678 y", "an AWS access key"),
        (b"ghp_" + b"a1" * 18, "a GitHub token"),
        (b"github_pat_" + b"A1" * 30, "a GitHub token"),
        (b"glpat-" + b"a1" * 12, "a GitLab token"),
        (b"AIza" + b"a" * 35, "a Google key"),
        (b"hf_" + b"aB" * 17, "a Hugging Face token"),
        (b"npm_" + b"a1" * 18, "an npm token"),
        (b"nvapi-" + b"a1" * 30, "an NVIDIA key"),
        (b"pypi-AgE" + b"a1" * 30, "a PyPI token"),
        (b"sk-ant-" + b"a1" * 20, "an Anthropic key"),
        (b"sk-proj-" + b"a1" * 24, "an OpenAI key"),
        (b"xoxb-" + b"1234567890-abcdefghijkl", "a Slack token"),
        (b"-----BEGIN RSA PRIVATE KEY-----\nMIIE", "a private key"),
        (b"-----BEGIN PRIVATE KEY-----\nMIIE", "a private key"),
        (b"postgres://me:hunter2@db/x", "a password in a URL"),
    ],
)
def test_looks_of_secrets(data: bytes, what: str) -> None:
    assert look_of(data) == what


@pytest.mark.parametrize(
    "data",
    [
        b"-----BEGIN CERTIFICATE-----\nMIIE",
        b'PEM = "-----BEGIN PRIVATE KEY-----"',
        b"https://host.example.test:8000/a@b",
        b"https://{user}:{password}@host",
        b"task-management-with-a-very-long-name-of-many-words-in-it",
        b"AKIA",
    ],
)
def test_what_only_looks_so(data: bytes) -> None:
    assert look_of(data) is None


@st.composite
def nearly_secret(draw: st.DrawFn) -> bytes:
    """Between other bytes what a pattern takes, and now and then a byte of it replaced."""
    _, _, pattern = draw(st.sampled_from(LOOKS))
    found = bytearray(draw(st.from_regex(pattern)))
    if found and draw(st.booleans()):
        found[draw(st.integers(0, len(found) - 1))] = draw(st.integers(0, 255))
    return draw(st.binary(max_size=8)) + bytes(found) + draw(st.binary(max_size=8))


@given(nearly_secret() | st.binary())
def test_one_pattern_for_all_passes_over_nothing(data: bytes) -> None:
    one_by_one = next((what for what, mark, pattern in LOOKS if mark in data and pattern.search(data)), None)
    assert look_of(data) == one_by_one


def test_public_packages_bring_no_secret() -> None:
    """A wheel's own test keys are on every mirror of the index."""
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE"
    sound = put(*wheel("keys", "1.0", {"keys/test.key": key}))(image())
    (result,) = audit(sound, plan(), lock(), [planned("no-secrets")])
    assert result.findings == ()


def test_below_a_package_file_anything_may_be_hidden() -> None:
    hidden = below(file("usr/lib/os-release", "-----BEGIN RSA PRIVATE KEY-----\nMIIE"))(image())
    (result,) = audit(hidden, plan(), lock(), [planned("no-secrets")])
    assert [one.message for one in result.findings] == [
        "usr/lib/os-release holds a private key, hidden in layer sha256:lower"
    ]


def test_a_secret_is_never_repeated() -> None:
    (result,) = audit(set_env("API_TOKEN", "hunter2!")(image()), None, None, [planned("no-secrets")])
    assert "hunter2" not in result.findings[0].message


def test_allowed_ones_are_passed_over() -> None:
    allowed = planned("no-secrets", allow=("API_TOKEN", "/app/key"))
    broken = put(file("app/key", "-----BEGIN RSA PRIVATE KEY-----\nMIIE"))(
        set_env("API_TOKEN", "x!")(image())
    )
    (result,) = audit(broken, plan(), lock(), [allowed])
    assert result.findings == ()
