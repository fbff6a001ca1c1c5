"""Findings that somebody answers for, and statements that excuse nothing."""

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from builder.model.package import Package
from builder.model.scan import Vulnerability
from builder.model.tree import Entry, Owner
from builder.model.vex import Issued, Statement
from builder.scan.absent import proven_absent
from builder.scan.excuse import Excused, excuse
from tests.unit.controls import sound
from tests.unit.scan.samples import TODAY, finding, ran

IMAGE = sound.image()
LABEL = "vex/a.yaml: vulnerable_code_not_present"


def issued(**known: Any) -> Issued:
    given = {
        "vulnerability": "CVE-2026-0001", "packages": ("libc6",), "status": "not_affected",
        "justification": "vulnerable_code_not_present", "statement": "so it is",
        "date": datetime.date(2026, 11, 1), "expires": datetime.date(2027, 3, 31),
    }  # fmt: skip
    return Issued(statement=Statement(**{**given, **known}), author="me", file="vex/a.yaml", line=3)


def excused(*statements: Issued, found: tuple[Vulnerability, ...] = (finding(),)) -> Excused:
    runs = [ran("trivy", *found), ran("grype", *found), ran("built-in", *found)]
    return excuse(runs, statements, IMAGE, TODAY)


def labels(done: Excused) -> list[str]:
    return [one.excused for run in done.runs for one in run.found]


def test_every_scanner_is_told_the_same() -> None:
    done = excused(issued())
    assert (labels(done), done.notes) == ([LABEL] * 3, ())


@pytest.mark.parametrize(
    "found",
    [
        finding(id="GHSA-x", aliases=("CVE-2026-0001",)),
        finding(package="LIBC6"),
        finding(version="1.0", fixed="", kind="rpm"),
    ],
)
def test_by_any_of_its_names_and_in_any_version(found: Vulnerability) -> None:
    assert labels(excused(issued(), found=(found,))) == [LABEL] * 3


@pytest.mark.parametrize(
    "found", [finding(id="CVE-2026-0002"), finding(package="libc-bin"), finding(id="", aliases=())]
)
def test_nothing_else_is_excused(found: Vulnerability) -> None:
    assert labels(excused(issued(), found=(found,))) == [""] * 3


def test_fixed_excuses_too() -> None:
    done = excused(issued(status="fixed", justification=None))
    assert labels(done) == ["vex/a.yaml: fixed"] * 3


@pytest.mark.parametrize("status", ["affected", "under_investigation"])
def test_other_statuses_excuse_nothing(status: str) -> None:
    done = excused(issued(status=status, justification=None, action="wait"))
    assert (labels(done), done.notes) == ([""] * 3, ())


def test_the_first_that_holds_is_named() -> None:
    done = excused(issued(expires=datetime.date(2026, 11, 2)), issued())
    assert labels(done) == [LABEL] * 3


def test_on_its_last_day_it_still_counts() -> None:
    assert labels(excused(issued(expires=TODAY))) == [LABEL] * 3


@pytest.mark.parametrize(
    ("known", "note"),
    [
        (
            {"expires": datetime.date(2026, 11, 21)},
            "CVE-2026-0001: expired on 2026-11-21; it counts no more",
        ),
        (
            {"revoked": {"date": datetime.date(2026, 11, 20), "reason": "it is called after all"}},
            "CVE-2026-0001: was revoked on 2026-11-20: it is called after all; it counts no more",
        ),
        (
            {"justification": "component_not_present"},
            (
                "CVE-2026-0001: says that 'libc6' is not there, and usr/lib/x86_64-linux-gnu/libc.so.6 is in "
                "the image; it does not count"
            ),
        ),
        (
            {"packages": ("zlib1g",)},
            "CVE-2026-0001: package 'zlib1g' is not in the image; nothing is excused there",
        ),
        (
            {"vulnerability": "CVE-2026-9999"},
            "CVE-2026-9999: no scanner tells it any more; the statement can go",
        ),
    ],
)
def test_what_excuses_nothing_is_said(known: dict[str, Any], note: str) -> None:
    done = excused(issued(**known))
    assert (labels(done), done.notes) == ([""] * 3, (f"vex/a.yaml:3: {note}",))


def test_of_a_package_without_code_that_is_believed() -> None:
    paths = [
        path
        for path in IMAGE.rootfs
        if path.startswith("usr/lib/x86_64") or path.endswith("linux-x86-64.so.2")
    ]
    bare = sound.drop(*paths)(IMAGE)
    done = excuse([ran("trivy", finding())], [issued(justification="component_not_present")], bare, TODAY)
    assert labels(done) == ["vex/a.yaml: component_not_present"]


def package(*entries: Entry) -> Package:
    return Package(owner=Owner(kind="deb", name="tool"), entries=entries)


def absences() -> Iterator[tuple[str, Package, bool]]:
    tool, page = sound.elf("usr/bin/tool"), sound.file("usr/share/man/man1/tool.1", "page")
    yield "its code is gone", package(tool, page), True
    yield "its code is there", package(sound.elf("usr/bin/python3.13")), False
    yield "it lies elsewhere", package(sound.file("opt/x.py", "x = 1\n")), False
    yield "it brings documents alone", package(page), False
    yield "it brings nothing", package(), False
    yield "behind a link", package(sound.file("lib/x86_64-linux-gnu/libc.so.6", "other")), False
    yield "one of two is there", package(tool, sound.file("app/server.py", "other")), False
    yield "an empty file elsewhere", package(sound.file("usr/lib/tool/__init__.py", "")), True


@pytest.mark.parametrize(("package_", "proven"), [pytest.param(p, b, id=name) for name, p, b in absences()])
def test_absence_is_proven_by_every_file(package_: Package, proven: bool) -> None:
    assert proven_absent(IMAGE, package_) is proven


def test_what_a_layer_below_hides_is_there() -> None:
    hidden = sound.below(sound.elf("usr/bin/tool"))(IMAGE)
    assert not proven_absent(hidden, package(sound.elf("usr/bin/tool")))
