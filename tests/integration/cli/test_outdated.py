"""`temper outdated`: what a new lock would bring, and nothing is written."""

import json
from dataclasses import replace

from tests.integration.archive import Deb
from tests.integration.cli.desk import APP, BASE, LIB, LOCK_FILE, NOW, Desk

HEAD = "app: locked on "
NEWER = replace(LIB, version="2.0+deb13u1")


def test_nothing_is_newer(locked: Desk) -> None:
    ran = locked.run("outdated")
    assert ran.code == 0
    assert ran.out.startswith(HEAD)
    assert ran.out.endswith(f", {LOCK_FILE}\n  nothing newer\n")


def test_a_security_update(locked: Desk) -> None:
    lock = (locked.work / LOCK_FILE).read_text()
    locked.published(security=[NEWER], date=NOW + 60)
    ran = locked.run("outdated", "app")
    assert ran.code == 1
    assert ran.out.splitlines()[1:] == [
        "  deb  lib  2.0  ->  2.0+deb13u1  security",
        "  run `temper lock app --upgrade` to move to them",
    ]
    assert (locked.work / LOCK_FILE).read_text() == lock


def test_as_json(locked: Desk) -> None:
    locked.published(security=[NEWER], date=NOW + 60)
    ran = locked.run("outdated", "--json")
    [found] = json.loads(ran.out)
    assert (ran.code, found["image"], found["lock"]) == (1, "app", LOCK_FILE)
    assert found["newer"] == [
        {
            "kind": "deb",
            "name": "lib",
            "locked": "2.0",
            "newest": "2.0+deb13u1",
            "security": True,
            "gone": False,
            "platforms": ["linux/amd64"],
        }
    ]


def test_only_security_updates(locked: Desk) -> None:
    locked.published([BASE, LIB, replace(APP, version="9")], date=NOW + 60)
    assert locked.run("outdated").code == 1
    ran = locked.run("outdated", "--security-only")
    assert (ran.code, ran.out.splitlines()[1:]) == (0, ["  nothing newer"])


def test_a_fix_that_stands_in_a_point_release_too_is_one(locked: Desk) -> None:
    """The suite that comes first gives the package; that it is a fix, the other archive tells."""
    locked.published([BASE, NEWER, APP], security=[NEWER], date=NOW + 60)
    ran = locked.run("outdated", "--security-only")
    assert (ran.code, ran.out.splitlines()[1:2]) == (1, ["  deb  lib  2.0  ->  2.0+deb13u1  security"])


def test_a_newer_one_than_the_fix_is_a_fix(locked: Desk) -> None:
    locked.published([BASE, replace(LIB, version="2.1"), APP], security=[NEWER], date=NOW + 60)
    ran = locked.run("outdated", "--security-only")
    assert (ran.code, ran.out.splitlines()[1:2]) == (1, ["  deb  lib  2.0  ->  2.1  security"])


def test_an_old_fix_is_none(locked: Desk) -> None:
    locked.published([BASE, replace(LIB, version="2.1"), APP], security=[LIB], date=NOW + 60)
    assert locked.run("outdated", "--security-only").code == 0


def test_a_locked_package_that_is_gone_is_told(locked: Desk) -> None:
    locked.archive.file(LIB).unlink()
    locked.published([BASE, NEWER, APP], date=NOW + 60)
    ran = locked.run("outdated")
    assert ran.out.splitlines()[1:2] == ["  deb  lib  2.0  ->  2.0+deb13u1  gone from the mirror"]


def test_what_would_come_in_and_go(locked: Desk) -> None:
    other = Deb(name="other", architecture="all", files={"usr/share/other": b"x"})
    locked.published([BASE, replace(APP, version="9", depends="other"), other], date=NOW + 60)
    ran = locked.run("outdated")
    assert ran.code == 1
    assert ran.out.splitlines()[1:-1] == [
        "  deb  app    1.0  ->  9",
        "  deb  lib    2.0  ->  -",
        "  deb  other  -    ->  1.0",
    ]


def test_an_image_without_a_lock(desk: Desk) -> None:
    said = f"temper: {LOCK_FILE}: no such lock; run `temper lock` to make it\n"
    assert desk.refused("outdated", "app") == (2, said)
    assert desk.refused("outdated") == (
        2,
        "temper: no image here has a lock; name one, or run `temper lock` first\n",
    )


def test_an_older_index_is_not_believed(locked: Desk) -> None:
    """A mirror that was turned back would hide what is newer."""
    locked.published(date=NOW - 3600)
    code, said = locked.refused("outdated")
    assert code == 3
    assert "is being replayed" in said
