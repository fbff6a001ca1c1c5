import pytest
from debian_inspector.version import Version
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import ArchiveError
from builder.packages.relations import Relation, clause_text, meets, parse_relations, version_key


def texts(field: str, architecture: str = "amd64") -> list[str]:
    return [clause_text(clause) for clause in parse_relations(field, architecture)]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("libc6", ["libc6"]),
        ("libc6 (>= 2.38), zlib1g(>=1:1.2.0)", ["libc6 (>= 2.38)", "zlib1g (>= 1:1.2.0)"]),
        ("debconf (>= 0.5) | debconf-2.0", ["debconf (>= 0.5) | debconf-2.0"]),
        ("python3:any", ["python3:any"]),
        ("perl:any (>= 5.36~)", ["perl:any (>= 5.36~)"]),
        ("a (<< 2), b (<= 2), c (= 2), d (>> 2)", ["a (<< 2)", "b (<= 2)", "c (= 2)", "d (>> 2)"]),
        ("a (< 2), b (> 2)", ["a (<= 2)", "b (>= 2)"]),
        ("a [amd64 i386], b [!amd64], c [linux-any] | d [arm64]", ["a", "c"]),
        ("a <!nocheck>, b <stage1>, c <stage1> <!nodoc>", ["a", "c"]),
        ("gcc:arm64, make:amd64", ["make:amd64"]),
        ("libstdc++6, g++-14,", ["libstdc++6", "g++-14"]),
        ("", []),
    ],
)
def test_parses(field: str, expected: list[str]) -> None:
    assert texts(field) == expected


@pytest.mark.parametrize(
    ("field", "bad"),
    [("a (>= 1", "a (>= 1"), ("b, c (~ 2)", "c (~ 2)"), ("a b", "a b"), ("(>= 1)", "(>= 1)")],
)
def test_refuses_what_is_malformed(field: str, bad: str) -> None:
    with pytest.raises(ArchiveError) as raised:
        parse_relations(field, "amd64")
    assert str(raised.value) == f"malformed relation '{bad}' in '{field}'"


ORDERED = [
    ["1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1", "1.0a", "1.0+b", "1.0.1", "1.1", "1.10"],
    ["13~", "13.3~", "13.3", "1:0~", "1:0.1", "2:0"],
    ["2.41-12", "2.41-12+deb13u1", "2.41-12.1", "2.41.1-1"],
    ["0.9~rc1-1", "0.9-1", "0.9-1+b1", "0.9-1.1"],
]


@pytest.mark.parametrize("versions", ORDERED, ids=lambda versions: versions[0])
def test_versions_sort_as_dpkg_sorts_them(versions: list[str]) -> None:
    backwards = versions[::-1]
    assert sorted(backwards, key=version_key) == versions
    assert len({version_key(version) for version in versions}) == len(versions)


@pytest.mark.parametrize(("one", "other"), [("1.0", "0:1.0"), ("1", "1-0"), ("1a", "1a0"), ("1.01", "1.1")])
def test_versions_that_are_the_same(one: str, other: str) -> None:
    assert version_key(one) == version_key(other)


PLAIN = st.from_regex(r"[0-9][a-z0-9.+~]{0,6}[a-z0-9](-[a-z0-9.+~]{0,3}[a-z0-9])?", fullmatch=True)


@given(PLAIN, PLAIN)
def test_versions_compare_as_debian_inspector_compares_those_it_takes(one: str, other: str) -> None:
    ours = (version_key(one) > version_key(other)) - (version_key(one) < version_key(other))
    assert ours == Version.from_string(one).compare(Version.from_string(other))


@pytest.mark.parametrize("version", ["", "1.0 2", "a:1", "1_0", "-1"])
def test_refuses_what_is_no_version(version: str) -> None:
    with pytest.raises(ArchiveError) as raised:
        version_key(version)
    assert str(raised.value) == f"malformed version '{version}'"


@pytest.mark.parametrize(
    ("operator", "met"),
    [("<<", "1"), ("<=", "1 2"), ("=", "2"), (">=", "2 3"), (">>", "3"), ("", "1 2 3")],
)
def test_meets(operator: str, met: str) -> None:
    relation = Relation("a", operator, "2" if operator else "")
    assert [version for version in "123" if meets(version, relation)] == met.split()
