"""What registries ask, in the forms that they ask it in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.registry.challenge import Challenge, parse_challenges

URL = "https://tokens.example/t"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", []),
        ("Basic", [Challenge(scheme="basic")]),
        ('Basic realm="a registry"', [Challenge(scheme="basic", realm="a registry")]),
        (
            f'Bearer realm="{URL}",service="r",scope="repository:a/b:pull,push"',
            [Challenge(scheme="bearer", realm=URL, service="r", scope="repository:a/b:pull,push")],
        ),
        (f'bearer realm="{URL}" , service=r', [Challenge(scheme="bearer", realm=URL, service="r")]),
        (
            r'Negotiate, Basic realm="a, \"b\"", Bearer error="invalid_token", realm=x',
            [
                Challenge(scheme="negotiate"),
                Challenge(scheme="basic", realm='a, "b"'),
                Challenge(scheme="bearer", realm="x"),
            ],
        ),
    ],
)
def test_forms(header: str, found: list[Challenge]) -> None:
    assert list(parse_challenges(header)) == found


@given(st.text(alphabet='BasicearReLm =",\\;\t\u00e9', max_size=60))
def test_whatever_comes_it_ends(header: str) -> None:
    assert all(one.scheme for one in parse_challenges(header))
