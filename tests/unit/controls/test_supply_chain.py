"""Supply chain controls where nothing is known: not assessed, never passed."""

import datetime
from dataclasses import replace
from typing import Any

import pytest

from builder.controls.audit import audit_one
from builder.controls.dockerfile import instructions
from builder.controls.frame import Context
from builder.model.beside import Beside, StatedPublication
from builder.model.report import Outcome
from builder.model.scan import StatedScan, Support, SupportLevel, Vulnerability
from tests.unit.controls.sound import beside, file, image, lock, plan, planned, put, scan

NO_LOCK = "no lock: the image was not built from an image.lock.json here"


@pytest.mark.parametrize(
    ("control", "reason"),
    [
        ("pinned-base", "no Dockerfile: nobody said how the image was put together"),
        ("clean-dockerfile", "no Dockerfile: nobody said how the image was put together"),
        ("verified-packages", NO_LOCK),
        ("reproducible-dates", NO_LOCK),
        ("provenance", "no provenance: the image was not built from an image.yaml here"),
        (
            "signed-image",
            "nobody has published this image from here; `temper publish --key` signs it",
        ),
        ("supported-release", "no date: nobody said what day it is"),
        ("recent-build", "no date: nobody said what day it is"),
    ],
)
def test_of_an_image_that_others_built(control: str, reason: str) -> None:
    found = audit_one(image(), planned(control), Context())
    assert (found.outcome, found.reason) == (Outcome.NOT_ASSESSED, reason)


def test_an_image_that_was_built_anew_since_it_was_published() -> None:
    other = replace(beside(), published=StatedPublication(digest="sha256:old", references=(("a", False),)))
    found = audit_one(image(), planned("signed-image"), Context(beside=other))
    assert found.reason == "another image was published from here; `temper publish --key` signs this one"


def test_a_release_that_the_table_does_not_know() -> None:
    for text, name in (("ID=alpine\nVERSION_ID=3.20\n", "alpine 3.20"), ("NAME=x\n", "nothing")):
        other = put(file("usr/lib/os-release", text))(image())
        found = audit_one(other, planned("supported-release"), Context(beside=beside()))
        assert found.reason == f"until when '{name}' is supported, the table of releases doesn't know"


def test_an_image_without_a_date() -> None:
    dateless = image().replace(config=image().config.replace(created=0))
    found = audit_one(dateless, planned("recent-build"), Context(beside=beside()))
    assert found.reason == "the image doesn't say when it was created"


@pytest.mark.parametrize(
    ("control", "day"),
    [("supported-release", datetime.date(2030, 6, 30)), ("recent-build", datetime.date(2025, 11, 8))],
)
def test_on_the_last_day_it_still_holds(control: str, day: datetime.date) -> None:
    on_it = Context(beside=Beside(today=day))
    after = Context(beside=Beside(today=day + datetime.timedelta(days=1)))
    assert audit_one(image(), planned(control), on_it).outcome is Outcome.PASSED
    assert audit_one(image(), planned(control), after).outcome is Outcome.FAILED


def test_a_key_that_the_profile_names_will_do_however_it_is_written() -> None:
    context = Context(lock=lock(), beside=beside())
    control = planned("verified-packages", signers=["ab cd"])
    assert audit_one(image(), control, context).outcome is Outcome.PASSED


def test_dates_that_were_asked_for_are_no_clock() -> None:
    stated = beside().provenance
    assert stated is not None
    asked = replace(beside(), provenance=replace(stated, epoch=image().config.created), indexes=())
    found = audit_one(image(), planned("reproducible-dates"), Context(beside=asked))
    assert found.outcome is Outcome.PASSED


DOCKERFILE = """\
# syntax=docker/dockerfile:1@sha256:12

FROM  scratch AS base
copy --from=base --chown=1:1 ["a b", \\
  # in between
  "/c"]
"""


def test_instructions() -> None:
    first, second = instructions(DOCKERFILE)
    assert (first.line, first.name, first.words) == (3, "FROM", ("scratch", "AS", "base"))
    assert (second.line, second.name, second.flags) == (4, "COPY", ("--from=base", "--chown=1:1"))
    assert second.listed == ("a b", "/c")
    assert (second.flag("from"), second.flag("chmod")) == ("base", "")


@pytest.mark.parametrize("control", ["no-pending-updates", "supported-packages"])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (None, "nobody scanned this image; run `temper scan`"),
        ({"scan": None, "problem": "is no scan"}, "scan.json is no scan"),
        ({"digest": "sha256:other"}, "scan.json is about another image; scan this one"),
        ({"runs": ()}, "the last scan left the built-in scanner out; scan the image again"),
        (
            {"today": datetime.date(2026, 11, 28)},
            "the last scan knows of updates until 2026-11-20 only; scan the image again",
        ),
    ],
)
def test_a_scan_that_says_nothing_of_this_image_today(
    control: str, changes: dict[str, Any] | None, reason: str
) -> None:
    found = audit_one(image(), planned(control), Context(scan=stated(changes)))
    assert (found.outcome, found.reason) == (Outcome.NOT_ASSESSED, reason)


def stated(changes: dict[str, Any] | None) -> StatedScan | None:
    if changes is None:
        return None
    if "scan" in changes or "today" in changes:
        return replace(scan(), **changes)
    known = scan().scan
    assert known is not None
    return replace(scan(), scan=known.model_copy(update=changes))


def built_in(**changes: Any) -> StatedScan:
    known = scan().scan
    assert known is not None
    return replace(
        scan(), scan=known.model_copy(update={"runs": (known.runs[1].model_copy(update=changes),)})
    )


def test_a_scanner_that_could_not_assess_proves_nothing() -> None:
    context = Context(scan=built_in(problem="no index", database=""))
    found = audit_one(image(), planned("no-pending-updates"), context)
    assert found.reason == "the built-in scanner could not assess the image: no index"


def test_lists_that_could_not_be_read_prove_nothing() -> None:
    found = audit_one(image(), planned("supported-packages"), Context(scan=built_in(support=None)))
    assert found.reason == "the last scan could not read which packages are supported less"


def test_on_its_seventh_day_a_scan_still_counts() -> None:
    context = Context(scan=replace(scan(), today=datetime.date(2026, 11, 27)))
    assert audit_one(image(), planned("no-pending-updates"), context).outcome is Outcome.PASSED


def test_what_a_statement_excuses_is_no_pending_update() -> None:
    row = Vulnerability(
        id="CVE-2026-1", package="libc6", version="1", kind="deb", fixed="2", excused="vex/a.yaml: fixed"
    )
    found = audit_one(image(), planned("no-pending-updates"), Context(scan=built_in(found=(row,))))
    assert found.outcome is Outcome.PASSED


def test_what_a_person_answers_for_is_supported_enough() -> None:
    row = Support(package="binutils", version="2", source="binutils", level=SupportLevel.LIMITED)
    context = Context(scan=built_in(support=(row,)))
    for parameters in ({"accepted": ["binutils"]}, {"limited": "allow"}):
        assert audit_one(image(), planned("supported-packages", **parameters), context).outcome is (
            Outcome.PASSED
        )


def test_the_linker_of_an_image_that_compiles_what_it_wrote_itself() -> None:
    rows = [
        Support(package=name, version="2", source=name, level=SupportLevel.LIMITED)
        for name in ("binutils", "golang-1.24")
    ]
    known = plan()
    compiling = replace(known, spec=known.spec.model_copy(update={"jit": True}))
    context = Context(plan=compiling, scan=built_in(support=tuple(rows)))
    found = audit_one(image(), planned("supported-packages"), context)
    assert [one.message for one in found.findings] == [
        "support of package 'golang-1.24' 2 (golang-1.24) is limited"
    ]
