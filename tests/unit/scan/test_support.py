"""The lists of what the distribution supports less, in both of their forms."""

from builder.scan.installed import Installed
from builder.scan.support import file_names, parse_lists, supports

BOTH, ENDED, LIMITED = file_names("13")
NEW = """\
# a comment
binutils      limited  Only suitable for trusted content
golang.*      limited
golang-good   supported
isc-dhcp      non-supported  4.4.3-P1-2  2023-07-05  see the list
later         non-supported  1.0         2027-01-01  in time
broken(       limited
short         non-supported
"""


def package(name: str, source: str = "") -> Installed:
    return Installed(
        name=name,
        version="1.0",
        architecture="amd64",
        source=source or name,
        source_version="1.0",
        purl=f"pkg:deb/debian/{name}@1.0",
    )


def told(texts: dict[str, str], *packages: Installed) -> list[tuple[str, str, str, str]]:
    lists = parse_lists(texts, "13")
    found = supports(packages, lists, "2026-11-22")
    return [(one.package, one.level.value, one.date, one.note) for one in found]


def test_a_binary_package_is_looked_up_by_its_source() -> None:
    assert told({BOTH: NEW}, package("libbinutils", "binutils"), package("binutils", "other")) == [
        ("libbinutils", "limited", "", "Only suitable for trusted content")
    ]


def test_support_ends_on_a_day() -> None:
    assert told({BOTH: NEW}, package("isc-dhcp"), package("later")) == [
        ("isc-dhcp", "ended", "2023-07-05", "see the list"),
        ("later", "ending", "2027-01-01", "in time"),
    ]


def test_names_are_patterns_for_the_whole_name() -> None:
    found = told({BOTH: NEW}, package("golang-1.24"), package("my-golang"), package("later-on"))
    assert [name for name, *_ in found] == ["golang-1.24"]


def test_the_first_line_that_fits_decides() -> None:
    lines = NEW.splitlines()
    exception = "\n".join([lines[3], *lines])
    assert told({BOTH: exception}, package("golang-good")) == []


def test_two_files_before_debian_13() -> None:
    texts = {ENDED: "lxd  5.0.2-5  2026-06-12  too hard\n", LIMITED: "rust.*  see the notes\n"}
    assert told(texts, package("lxd-client", "lxd"), package("rustc")) == [
        ("lxd-client", "ended", "2026-06-12", "too hard"),
        ("rustc", "limited", "", "see the notes"),
    ]


def test_no_list_says_nothing() -> None:
    assert parse_lists({}, "13") == ()
