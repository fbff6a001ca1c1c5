"""Indexes that may not be believed: nothing is locked, nothing of theirs stays, exit code 3."""

import datetime
import hashlib
import re

import pytest

from tests.integration.archive import DAY, Signing
from tests.integration.cli.desk import APP, BASE, LIB, LOCK_FILE, NOW, Desk, newer

INRELEASE = "debian: dists/trixie/InRelease"


def text(seconds: int) -> str:
    return f"{datetime.datetime.fromtimestamp(seconds, tz=datetime.UTC):%Y-%m-%d %H:%M UTC}"


BAD = {
    "was changed after it was signed": (
        {"signing": Signing.TAMPERED},
        (
            "its signature is bad: the text was changed after it was signed, or the key has expired; "
            "use another mirror"
        ),
    ),
    "has no signature": (
        {"signing": Signing.UNSIGNED},
        "is not signed; use a mirror that serves the distribution's signed index",
    ),
    "a stranger signed": (
        {"signing": Signing.STRANGER},
        (
            "signed by KEY, which is none of the archive's keys; use a mirror of the distribution, "
            "or trust a private archive's key by 'keyrings' in temper/config.yaml"
        ),
    ),
    "is stale": (
        {"date": NOW - 9 * DAY},
        (
            f"was valid until {text(NOW - 2 * DAY)} and is stale; "
            "use a mirror that is up to date, or set this machine's clock if it is wrong"
        ),
    ),
    "comes from the future": (
        {"date": NOW + DAY},
        f"is dated {text(NOW + DAY)}, which is in the future; set this machine's clock",
    ),
}


@pytest.mark.parametrize("which", BAD)
def test_an_index_that(desk: Desk, which: str) -> None:
    options, said = BAD[which]
    desk.published(**options)
    code, found = desk.refused("build", "app")
    assert (code, re.sub(r"\b[0-9A-F]{40}\b", "KEY", found)) == (3, f"temper: {INRELEASE}: {said}\n")
    assert desk.here() == []
    assert desk.half_made() == []


def test_a_good_index_after_a_bad_one(desk: Desk) -> None:
    desk.published(signing=Signing.STRANGER)
    assert desk.run("build", "app").code == 3
    desk.published()
    assert desk.run("build", "app").code == 0


REPLAYED = (
    "an old index is being replayed; use a mirror that is up to date, "
    "or start from no lock and an empty store if going back is meant"
)


def test_an_index_of_before_the_lock(used: Desk) -> None:
    """The mirror takes a security update back."""
    before = (used.work / LOCK_FILE).read_text()
    used.published([BASE, newer(LIB, "1.9"), APP], date=NOW - DAY)
    assert used.refused("lock", "app") == (
        3,
        (
            f"temper: {INRELEASE}: is dated {text(NOW - DAY)}, "
            f"but the lock was made from one of {text(NOW)}: {REPLAYED}\n"
        ),
    )
    assert (used.work / LOCK_FILE).read_text() == before
    assert used.run("build", "app", "--locked").code == 0


def test_an_index_of_before_the_last_one_that_this_machine_saw(used: Desk) -> None:
    """Without a lock to compare with."""
    (used.work / LOCK_FILE).unlink()
    used.published(date=NOW - DAY)
    assert used.refused("build", "app") == (
        3,
        (
            f"temper: {INRELEASE}: is dated {text(NOW - DAY)}, "
            f"but this machine has already seen one of {text(NOW)}: {REPLAYED}\n"
        ),
    )
    assert not (used.work / LOCK_FILE).exists()


def test_packages_that_are_not_those_of_the_signed_index(desk: Desk) -> None:
    named, hashed = desk.archive.index()
    wanted = hashed.name
    data = named.read_bytes()[:-1] + b"x"
    hashed.write_bytes(data)
    url = f"{desk.mirror.url}/{hashed.relative_to(desk.archive.root)}"
    assert desk.refused("build", "app") == (
        3,
        (
            "temper: debian: dists/trixie/main/binary-amd64/Packages.xz: "
            f"its sha256 is {hashlib.sha256(data).hexdigest()}, not {wanted} ('{url}'); "
            "the copy there is damaged or another file: use another mirror\n"
        ),
    )
    assert desk.here() == []
    assert desk.half_made() == []
