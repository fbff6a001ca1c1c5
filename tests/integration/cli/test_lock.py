"""`temper lock`: what is locked stays where it can, and moves as far as was asked."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.archive import Deb, serve
from tests.integration.cli.desk import APP, BASE, DEBS, IMAGE, IMAGE_FILE, LIB, LOCK_FILE, NOW, Desk, newer
from tests.integration.cli.wheels import PYTHON, Index

FIXED = newer(LIB, "2.0+deb13u1")
MOVED_ON = {"date": NOW + 60}
WHEELS = "  wheels are left as they are: nobody says which of their versions are security updates\n"


def said(desk: Desk, *words: str, code: int = 0, **options: dict[str, str]) -> str:
    ran = desk.run("-q", "lock", *words, **options)
    assert (ran.code, ran.err) == (code, "")
    return ran.out


def versions(desk: Desk) -> list[str]:
    lines = (desk.work / LOCK_FILE).read_text().splitlines()
    return [line.partition(": ")[2].strip('",') for line in lines if '"version"' in line]


def test_what_is_locked_stays(locked: Desk) -> None:
    """To the byte: with its date alone another image would come out."""
    before = (locked.work / LOCK_FILE).read_bytes()
    locked.published([BASE, newer(LIB, "2.1"), newer(APP, "1.1")], security=[FIXED], **MOVED_ON)
    assert said(locked, "app", "--exit-code") == (
        f"{LOCK_FILE}: nothing moved\n"
        "  newer packages: 2, security updates among them: 1; see `temper outdated app`\n"
    )
    assert (locked.work / LOCK_FILE).read_bytes() == before


def test_upgrade_moves_everything(locked: Desk) -> None:
    locked.published([BASE, LIB, newer(APP, "1.1")], security=[FIXED], **MOVED_ON)
    assert said(locked, "--upgrade", "--exit-code", code=1) == (
        f"{LOCK_FILE}: 2 moved\n  deb  app  1.0  ->  1.1\n  deb  lib  2.0  ->  2.0+deb13u1  security\n"
    )
    assert said(locked, "--upgrade", "--exit-code") == f"{LOCK_FILE}: nothing moved\n"


def test_upgrade_without_anything_newer_keeps_the_lock(locked: Desk) -> None:
    """The nightly job would propose a new date every night."""
    before = (locked.work / LOCK_FILE).read_bytes()
    locked.published(**MOVED_ON)
    assert said(locked, "app", "--upgrade") == f"{LOCK_FILE}: nothing moved\n"
    assert (locked.work / LOCK_FILE).read_bytes() == before


def test_only_security_updates_move(locked: Desk) -> None:
    locked.published([BASE, LIB, newer(APP, "1.1")], security=[FIXED], **MOVED_ON)
    assert said(locked, "app", "--upgrade", "--security-only") == (
        f"{LOCK_FILE}: 1 moved\n"
        "  deb  lib  2.0  ->  2.0+deb13u1  security\n"
        "  newer packages: 1, security updates among them: 0; see `temper outdated app`\n"
    )


def test_a_fix_that_a_point_release_has_too_moves(locked: Desk) -> None:
    locked.published([BASE, FIXED, newer(APP, "1.1")], security=[FIXED], **MOVED_ON)
    assert said(locked, "app", "--upgrade", "--security-only").splitlines()[1] == (
        "  deb  lib  2.0  ->  2.0+deb13u1  security"
    )
    assert versions(locked) == ["1.0", "1.0", "2.0+deb13u1", "1.0", "1.0"]


def test_what_a_fix_needs_comes_along(desk: Desk) -> None:
    """And nothing else: the other helper stays where it is."""
    app = replace(APP, depends="lib, helper, other")
    helper, other = (Deb(name=name, architecture="all") for name in ("helper", "other"))
    desk.published([BASE, LIB, app, helper, other])
    assert desk.run("lock", "app").code == 0
    fixed = replace(FIXED, depends="helper (>= 2)")
    now = [BASE, LIB, app, newer(helper, "2.0"), newer(other, "2.0")]
    desk.published(now, security=[fixed], **MOVED_ON)
    assert said(desk, "app", "--upgrade", "--security-only") == (
        f"{LOCK_FILE}: 2 moved\n"
        "  deb  helper  1.0  ->  2.0\n"
        "  deb  lib     2.0  ->  2.0+deb13u1  security\n"
        "  newer packages: 1, security updates among them: 0; see `temper outdated app`\n"
    )


def test_what_a_fix_breaks_moves(desk: Desk) -> None:
    other = Deb(name="other", architecture="all")
    desk.published([BASE, LIB, replace(APP, depends="lib, other"), other])
    assert desk.run("lock", "app").code == 0
    fixed = replace(FIXED, fields={"Breaks": "other (<< 2)"})
    now = [BASE, LIB, replace(APP, depends="lib, other"), newer(other, "2.0")]
    desk.published(now, security=[fixed], **MOVED_ON)
    assert said(desk, "app", "--upgrade", "--security-only").splitlines()[1:] == [
        "  deb  lib    2.0  ->  2.0+deb13u1  security",
        "  deb  other  1.0  ->  2.0",
    ]


def test_what_the_index_dropped_stays_as_long_as_it_is_served(locked: Desk) -> None:
    """What it needs is read out of the package itself: of `app` and `lib` only the new one is listed."""
    before = (locked.work / LOCK_FILE).read_bytes()
    locked.published([BASE, newer(LIB, "2.1"), newer(APP, "1.1")], **MOVED_ON)
    more = Deb(name="more", architecture="all")
    assert said(locked, "app").startswith(f"{LOCK_FILE}: nothing moved\n")
    assert (locked.work / LOCK_FILE).read_bytes() == before
    locked.published([BASE, newer(LIB, "2.1"), newer(APP, "1.1"), more], **MOVED_ON)
    locked.write(IMAGE_FILE, IMAGE.replace("packages: [app]", "packages: [app, more]"))
    assert said(locked, "app").splitlines()[1] == "  deb  more  -  ->  1.0"
    assert versions(locked) == ["1.0", "1.0", "2.0", "1.0", "1.0", "1.0"]


def test_what_is_gone_moves_and_is_told(locked: Desk) -> None:
    locked.archive.file(LIB).unlink()
    locked.published([BASE, newer(LIB, "2.1"), newer(APP, "1.1")], **MOVED_ON)
    assert said(locked, "app") == (
        f"{LOCK_FILE}: 1 moved\n"
        "  deb  lib  2.0  ->  2.1  gone from the mirror\n"
        "  newer packages: 1, security updates among them: 0; see `temper outdated app`\n"
    )


def test_a_tool_that_moves_is_told(locked: Desk) -> None:
    strace = Deb(name="strace", version="9", architecture="all", files={"usr/bin/strace": b"\x7fELF"})
    locked.published([*DEBS, strace], **MOVED_ON)
    assert said(locked, "--upgrade").splitlines()[1:] == ["  toolbox  strace  1.0  ->  9"]


def test_another_base_keeps_nothing(locked: Desk) -> None:
    """Another release's packages are still served."""
    locked.write(IMAGE_FILE, IMAGE.replace("trixie", "bookworm"))
    bookworm = replace(locked.archive, codename="bookworm")
    bookworm.publish([BASE, newer(LIB, "2.0~old"), replace(APP, version="0.9", depends="")], date=NOW)
    assert said(locked, "app").splitlines()[1:] == ["  deb  app  1.0  ->  0.9", "  deb  lib  2.0  ->  -"]


def test_security_only_without_upgrade(locked: Desk) -> None:
    code, text = locked.refused("lock", "app", "--security-only")
    assert code == 2
    assert text.endswith("Error: --security-only says what --upgrade is to move; add --upgrade\n")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    folder = tmp_path / "index"
    folder.mkdir()
    with serve(folder) as url:
        served = Index(folder, url)
        for name in ("glue", "paste"):
            served.add(name, "1.0", 1000)
        yield served


@pytest.fixture
def glued(desk: Desk, index: Index) -> Desk:
    desk.write(IMAGE_FILE, f"{IMAGE}python: {{version: '3.13', requirements: [glue]}}\n")
    desk.published([*DEBS, PYTHON])
    assert desk.run("lock", "app", env=index.environment).code == 0
    index.add("glue", "1.1", 1000)
    return desk


def test_wheels_stay_and_move_likewise(glued: Desk, index: Index) -> None:
    env = index.environment
    assert said(glued, "app", env=env) == f"{LOCK_FILE}: nothing moved\n"
    assert (
        said(glued, "app", "--upgrade", "--security-only", env=env) == f"{LOCK_FILE}: nothing moved\n{WHEELS}"
    )
    glued.write(IMAGE_FILE, f"{IMAGE}python: {{version: '3.13', requirements: [glue, paste]}}\n")
    assert said(glued, "app", env=env).splitlines()[1:] == ["  wheel  paste  -  ->  1.0"]
    assert said(glued, "app", "--upgrade", env=env).splitlines()[1:] == ["  wheel  glue  1.0  ->  1.1"]


def test_a_wheel_that_the_index_lost_is_told(glued: Desk, index: Index) -> None:
    page = index.folder / "simple/glue/index.html"
    page.write_text(page.read_text().splitlines()[1] + "\n")
    ran = glued.run("lock", "app", env=index.environment)
    assert ran.code == 0
    assert ran.out.splitlines()[1:] == ["  wheel  glue  1.0  ->  1.1"]
    assert "note: glue 1.0: the package index no longer has it\n" in ran.err
