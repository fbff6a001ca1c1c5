import random

import pytest

from builder.errors import ResolveError
from builder.model.plan import PackageRequest
from builder.packages.held import Held, HeldRule, load_held
from builder.packages.index import Index, Universe
from builder.packages.resolve import Resolution, resolve

LABEL = "debian/trixie for amd64"


def universe(*suites: str) -> Universe:
    """Suites of lines `name version; Field: value; ...`."""
    return Universe(LABEL, [Index(packages(suite), f"suite{n}", "amd64") for n, suite in enumerate(suites)])


def packages(lines: str) -> bytes:
    stanzas = []
    for line in filter(None, map(str.strip, lines.splitlines())):
        head, *fields = (part.strip() for part in line.split(";"))
        name, _, version = head.partition(" ")
        stanzas.append(
            "\n".join(
                [
                    f"Package: {name}",
                    f"Version: {version or '1.0'}",
                    "Architecture: amd64",
                    f"Filename: pool/{name}.deb",
                    "Size: 1",
                    f"SHA256: {'0' * 64}",
                    *fields,
                    "",
                ]
            )
        )
    return "\n".join(stanzas).encode()


def solve(lines: str | Universe, *names: str, held: Held | None = None) -> Resolution:
    requests = tuple(PackageRequest(name=name, asked_by="image") for name in names)
    return resolve(lines if isinstance(lines, Universe) else universe(lines), requests, held or Held())


def chosen(*arguments: str | Universe, held: Held | None = None) -> str:
    found = solve(*arguments, held=held)  # type: ignore[arg-type]
    return ", ".join(f"{one.name} {one.version}" for one in found.packages)


def said(*arguments: str | Universe) -> list[str]:
    with pytest.raises(ResolveError) as raised:
        solve(*arguments)  # type: ignore[arg-type]
    return str(raised.value).splitlines()


def test_takes_the_closure_with_reasons() -> None:
    found = solve("a; Depends: b, c\nb; Pre-Depends: d\nc; Depends: d\nd\ne", "a")
    assert [(one.name, one.because) for one in found.packages] == [
        ("a", "image"),
        ("b", "a"),
        ("c", "a"),
        ("d", "b"),
    ]


def test_who_asked_first_is_the_reason() -> None:
    requests = (
        PackageRequest(name="a", asked_by="image"),
        PackageRequest(name="b", asked_by="profile dev"),
        PackageRequest(name="a", asked_by="python"),
    )
    found = resolve(universe("a; Depends: b\nb"), requests, Held())
    assert [(one.name, one.because) for one in found.packages] == [("a", "image"), ("b", "profile dev")]


def test_circles_are_fine() -> None:
    assert chosen("a; Depends: b\nb; Depends: a", "a") == "a 1.0, b 1.0"


def test_the_newest_version_over_suites_wins() -> None:
    suites = universe("a 1.0-1\nb 3", "a 1.0-1+deb13u2\nb 2", "a 1.0-1+deb13u1")
    found = solve(suites, "a", "b")
    assert [(one.version, one.archive) for one in found.packages] == [
        ("1.0-1+deb13u2", "suite1"),
        ("3", "suite0"),
    ]


def test_the_same_version_comes_from_the_first_suite() -> None:
    assert solve(universe("a 1", "a 1"), "a").packages[0].archive == "suite0"


def test_the_first_alternative_wins() -> None:
    assert chosen("a; Depends: b | c\nb\nc", "a") == "a 1.0, b 1.0"


def test_an_alternative_that_is_there_already_is_preferred() -> None:
    assert chosen("a; Depends: b | c\nb\nc", "a", "c") == "a 1.0, c 1.0"


def test_a_missing_alternative_is_passed_over() -> None:
    assert chosen("a; Depends: x | b (>= 2) | c\nb\nc", "a") == "a 1.0, c 1.0"


def test_a_virtual_package_by_its_most_important_provider() -> None:
    lines = "a; Depends: v\np; Provides: v\nq; Provides: w, v; Priority: required\nr; Provides: vv"
    assert chosen(lines, "a") == "a 1.0, q 1.0"


def test_a_real_package_before_a_virtual_one() -> None:
    assert chosen("a; Depends: v\np; Provides: v; Priority: required\nv", "a") == "a 1.0, v 1.0"


def test_a_provider_that_is_there_already_is_preferred() -> None:
    assert chosen("a; Depends: v\np; Provides: v\nq; Provides: v", "q", "a") == "a 1.0, q 1.0"


def test_a_versioned_provides_meets_a_versioned_relation() -> None:
    lines = "a; Depends: v (>= 2)\np; Provides: v\nq; Provides: v (= 1)\nr; Provides: v (= 2.1)"
    assert chosen(lines, "a") == "a 1.0, r 1.0"


def test_a_virtual_name_can_be_asked_for() -> None:
    assert chosen("libssl3t64 3.5; Provides: libssl3 (= 3.5)", "libssl3") == "libssl3t64 3.5"


def test_an_older_version_where_a_relation_wants_exactly_that() -> None:
    assert chosen(universe("a; Depends: b (= 1)\nb 1", "b 2"), "a") == "a 1.0, b 1"


def test_goes_back_to_an_older_version_of_something_chosen_before() -> None:
    suites = universe("a; Depends: b, c\nb 1\nc; Depends: b (= 1)", "b 2")
    assert chosen(suites, "a") == "a 1.0, b 1, c 1.0"


def test_goes_back_to_another_alternative_on_a_conflict() -> None:
    lines = "a; Depends: b | c, d\nb\nc\nd; Conflicts: b"
    assert chosen(lines, "a") == "a 1.0, c 1.0, d 1.0"


def test_goes_back_over_several_choices() -> None:
    lines = """
        a; Depends: b1 | b2, c1 | c2, d1 | d2, e
        b1\nb2\nc1\nc2\nd1\nd2
        e; Conflicts: b1, c1 (<< 2); Breaks: d1
    """
    assert chosen(lines, "a") == "a 1.0, b2 1.0, c2 1.0, d2 1.0, e 1.0"


def test_a_conflict_with_another_version_is_none() -> None:
    assert chosen("a; Depends: b; Breaks: b (<< 1.0)\nb", "a") == "a 1.0, b 1.0"


def test_a_package_may_conflict_with_what_it_provides_itself() -> None:
    assert chosen("a; Provides: mta; Conflicts: mta", "a") == "a 1.0"


def test_the_order_of_the_index_does_not_matter() -> None:
    lines = [
        f"p{n}; Depends: p{(n * 7 + 3) % 40}, v{n % 5} | p{n // 2}; Provides: v{n % 3}" for n in range(40)
    ]
    expected = solve("\n".join(lines), "p0", "p17")
    for seed in range(3):
        random.Random(seed).shuffle(lines)  # noqa: S311 - no secret
        assert solve("\n".join(lines), "p0", "p17") == expected


def test_a_deep_chain_does_not_meet_the_recursion_limit() -> None:
    lines = "\n".join(f"p{n}; Depends: p{n + 1}" for n in range(3000)) + "\np3000"
    assert len(solve(lines, "p0").packages) == 3001


def test_an_unknown_package_with_a_near_name() -> None:
    assert said("libgomp1\nlibgomp1-dbg", "libgompl") == [
        f"image -> libgompl: no such package in {LABEL}; did you mean 'libgomp1'?"
    ]


def test_an_unknown_package_with_no_near_name() -> None:
    assert said("a", "zebra") == [
        f"image -> zebra: no such package in {LABEL}; look for its name in the distribution's package search"
    ]


def test_a_missing_dependency_names_the_chain() -> None:
    assert said("onnx; Depends: mid\nmid; Depends: libfoo (>= 2) | bar", "onnx") == [
        (
            f"image -> onnx -> mid -> libfoo (>= 2) | bar: no such package in {LABEL}; "
            "leave 'onnx' out, or use another base"
        )
    ]


def test_a_version_that_is_not_there_names_those_that_are() -> None:
    suites = universe(
        "onnx; Depends: libfoo (>= 2)\nlibfoo 1.4", "libfoo 1.5\nbar 9; Provides: libfoo (= 1.9)"
    )
    assert said(suites, "onnx") == [
        (
            f"image -> onnx -> libfoo (>= 2): {LABEL} has only libfoo 1.5, libfoo 1.4, bar 9; "
            "leave 'onnx' out, or use another base"
        )
    ]


def test_a_conflict_names_both_chains() -> None:
    assert said("a; Depends: b\nb; Depends: d\nc; Conflicts: d (>= 1)\nd", "a", "c") == [
        "image -> a -> b -> d: d 1.0 conflicts with c 1.0 (image -> c); keep one of them"
    ]


def test_two_versions_that_are_wanted_at_once() -> None:
    suites = universe("a; Depends: c (= 1)\nb; Depends: c (= 2)\nc 1", "c 2")
    assert said(suites, "a", "b") == [
        "image -> b -> c (= 2): c 1 is there already (image -> a -> c (= 1)); the two can't be in one image"
    ]


def test_every_problem_is_told_at_once() -> None:
    assert len(said("a; Depends: x, y (>= 2)\ny\nb; Conflicts: a", "a", "b", "nope")) == 4


HELD = Held(
    (
        HeldRule(package="dpkg", reason="scripts"),
        HeldRule(package="perl-base", unless_wanted_by=("perl",), reason="scripts"),
        HeldRule(package="openssl", wanted_by=("ca-certificates",), reason="scripts"),
        HeldRule(package="awk", reason="scripts"),
    )
)


def held_back(lines: str, *names: str) -> tuple[str, list[tuple[str, str]]]:
    found = solve(lines, *names, held=HELD)
    return (
        " ".join(one.name for one in found.packages),
        [(one.package, one.wanted_by) for one in found.held_back],
    )


@pytest.mark.parametrize(
    ("lines", "names", "expected", "held"),
    [
        ("a; Depends: dpkg (>= 1), b\nb\ndpkg", "a", "a b", [("dpkg", "a")]),
        ("a; Depends: dpkg\ndpkg", "a dpkg", "a dpkg", []),
        ("a; Depends: b | dpkg\nb\ndpkg", "a", "a b", []),
        ("a; Depends: dpkg | b\nb\ndpkg", "a", "a", [("dpkg", "a")]),
        ("a; Depends: dpkg | b\nb\ndpkg", "a b", "a b", []),
        ("a; Depends: awk\nmawk; Provides: awk", "a", "a", [("awk", "a")]),
        ("a; Depends: awk\nmawk; Provides: awk", "a mawk", "a mawk", []),
        ("a; Depends: perl-base\nperl-base", "a", "a", [("perl-base", "a")]),
        ("a; Depends: perl\nperl; Depends: perl-base\nperl-base", "a", "a perl perl-base", []),
        (
            "a; Depends: openssl, ca-certificates\nca-certificates; Depends: openssl\nopenssl",
            "a",
            "a ca-certificates openssl",
            [],
        ),
        (
            "ca-certificates; Depends: openssl\nopenssl",
            "ca-certificates",
            "ca-certificates",
            [("openssl", "ca-certificates")],
        ),
        ("a; Depends: dpkg", "a", "a", [("dpkg", "a")]),
    ],
)
def test_held_back(lines: str, names: str, expected: str, held: list[tuple[str, str]]) -> None:
    assert held_back(lines, *names.split()) == (expected, held)


def test_the_list_that_ships_gives_every_rule_a_reason_and_names_none_twice() -> None:
    rules = load_held().rules
    assert len({(rule.package, rule.wanted_by) for rule in rules}) == len(rules) > 15
    assert all(rule.reason for rule in rules)
    assert load_held().reason("perl-base", "perl") is None
    assert load_held().reason("perl-base", "debconf") is not None
