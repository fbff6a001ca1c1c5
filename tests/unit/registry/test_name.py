"""Places in registries, as people write them."""

import pytest

from builder.errors import InputError
from builder.registry.name import Reference, parse


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag"),
    [
        ("registry.example/team/python:1.0", "registry.example", "team/python", "1.0"),
        ("localhost/app:x", "localhost", "app", "x"),
        ("127.0.0.1:5000/a/b__c/d-e.f:V1_0-rc.1", "127.0.0.1:5000", "a/b__c/d-e.f", "V1_0-rc.1"),
        ("[::1]:5000/app:1", "[::1]:5000", "app", "1"),
    ],
)
def test_parts(text: str, host: str, repository: str, tag: str) -> None:
    found = parse(text)
    assert found == Reference(host=host, repository=repository, tag=tag)
    assert str(found) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "python:1.0",
            "names no registry; write it as HOST/REPOSITORY:TAG, such as registry.example/team/python:1.0",
        ),
        (
            "team/python:1.0",
            "names no registry; write it as HOST/REPOSITORY:TAG, such as registry.example/team/python:1.0",
        ),
        ("a.example/app", "has no tag; add one, such as ':1.0'"),
        ("a.example/app:", "'' is no tag: letters, digits, '.', '_', '-', at most 128 of them"),
        ("a.example/app:1/2", "'1/2' is no tag: letters, digits, '.', '_', '-', at most 128 of them"),
        (f"a.example/app@sha256:{'0' * 64}", "holds a digest, which follows from the image; leave it out"),
        ("-a.example/app:1", "'-a.example' is not a host with an optional port"),
        ("https://a.example/app:1", "'https:' is not a host with an optional port"),
    ],
)
def test_mistakes(text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.problems[0] == f"'{text}': {problem}"


@pytest.mark.parametrize(
    "repository", ["Team/app", "team//app", "team/", "team/.app", "a" * 300, "team/app_-b"]
)
def test_repositories(repository: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(f"a.example/{repository}:1")
    rule = "lower-case letters and digits, with '.', '_', '-' inside and '/' between parts"
    assert str(caught.value) == (
        f"'a.example/{repository}:1': '{repository}' is no repository's name: {rule}, 255 characters at most"
    )


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.9.9.9", True),
        ("[::1]:5000", True),
        ("registry.example", False),
        ("10.0.0.1:5000", False),
        ("127.0.0.1.example", False),
        ("localhost.example:80", False),
    ],
)
def test_which_registries_are_on_this_machine(host: str, near: bool) -> None:
    assert Reference(host=host, repository="app", tag="1").is_near is near
