"""Mirrors as they are: they drop connections, move on, and name files that they don't have."""

from tests.integration.archive import Deb
from tests.integration.cli.desk import APP, BASE, DEBS, IMAGE, IMAGE_FILE, LIB, LOCK_FILE, NOW, Desk, newer

DEB = LIB.path.rpartition("/")[2]
NEWER = newer(LIB, "2.1")


def test_a_connection_that_drops_half_way_is_resumed(locked: Desk, digest: str) -> None:
    locked.mirror.drop[DEB] = 20_000
    ran = locked.run("build", "app")
    assert (ran.code, f"\ndigest    {digest}\n" in ran.out) == (0, True)
    assert locked.mirror.asked_for(DEB) == ["", "bytes=20000-"]
    assert locked.store_is_whole()
    assert locked.half_made() == []


def test_a_package_that_left_the_mirror_is_locked_anew_and_said_so(locked: Desk) -> None:
    locked.archive.file(LIB).unlink()
    locked.published([BASE, NEWER, APP], date=NOW + 60)
    ran = locked.run("build", "app")
    assert ran.code == 0
    assert "".join(line for line in ran.err.splitlines(keepends=True) if line.startswith("note: ")) == (
        "note: locked files have left the mirror; locking\n"
        "note: moved: lib 2.0 -> 2.1\n"
        f"note: wrote {LOCK_FILE}\n"
    )
    assert '"version": "2.1"' in (locked.work / LOCK_FILE).read_text()
    assert locked.half_made() == []


def test_a_package_that_left_the_mirror_with_locked(locked: Desk) -> None:
    before = (locked.work / LOCK_FILE).read_text()
    locked.archive.file(LIB).unlink()
    locked.published([BASE, NEWER, APP], date=NOW + 60)
    url = f"{locked.mirror.url}/debian/{LIB.path}"
    assert locked.refused("build", "app", "--locked") == (
        2,
        (
            f"temper: {DEB}: not found at '{url}' (status 404)\n"
            "temper: the lock names files that have left the mirror, and --locked forbids a new one; "
            "run `temper lock app --profile hardened`\n"
        ),
    )
    assert (locked.work / LOCK_FILE).read_text() == before
    assert locked.here() == [LOCK_FILE]
    assert locked.half_made() == []


def test_a_package_that_the_index_names_and_the_mirror_lacks(locked: Desk, digest: str) -> None:
    data = locked.archive.file(LIB).read_bytes()
    locked.archive.file(LIB).unlink()
    url = f"{locked.mirror.url}/debian/{LIB.path}"
    assert locked.refused("build", "app") == (
        3,
        (
            f"temper: {DEB}: not found at '{url}' (status 404)\n"
            "temper: the mirror's own index names files that it does not hold; "
            "try again later, or use another mirror\n"
        ),
    )
    assert locked.here() == [LOCK_FILE]
    locked.archive.file(LIB).write_bytes(data)
    assert f"\ndigest    {digest}\n" in locked.run("build", "app").out


def test_offline_with_a_cold_store(locked: Desk) -> None:
    assert locked.refused("build", "app", "--offline") == (
        3,
        (
            f"temper: --offline: the store '{locked.store}' lacks 3 of the locked files: "
            f"app_1.0_all.deb, base-files_1.0_all.deb, {DEB}; run once without --offline\n"
        ),
    )
    assert locked.mirror.asked == []
    assert locked.here() == [LOCK_FILE]


def test_a_lock_for_other_packages_with_locked(used: Desk) -> None:
    used.published([*DEBS, Deb(name="more", architecture="all")])
    used.write(IMAGE_FILE, IMAGE.replace("packages: [app]", "packages: [app, more]"))
    assert used.refused("build", "app", "--locked") == (
        2,
        (
            f"temper: {LOCK_FILE}: was made for other packages, requirements or platforms than the plan's; "
            "run `temper lock app --profile hardened`\n"
        ),
    )
    ran = used.run("build", "app")
    assert (ran.code, "note: moved: more 1.0 added\n" in ran.err) == (0, True)
