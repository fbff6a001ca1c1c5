import pytest

from builder.supply.naming import person


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Demo Team <demo@example.org>", ("Demo Team", "demo@example.org")),
        ("Ann, Bob, Zoë <ann@example.org>", ("Ann, Bob, Zoë", "ann@example.org")),
        ('"Ann, Bob" <ann@example.org>', ("Ann, Bob", "ann@example.org")),
        ("Ann <ann@example.org>, Bob <bob@example.org>", ("Ann", "ann@example.org")),
        ("ann@example.org", ("", "ann@example.org")),
        ("<ann@example.org>", ("", "ann@example.org")),
        ("Ann", ("Ann", "")),
        ("Ann <at home>", ("Ann <at home>", "")),
        ("", ("", "")),
    ],
)
def test_a_person(text: str, found: tuple[str, str]) -> None:
    assert person(text) == found
