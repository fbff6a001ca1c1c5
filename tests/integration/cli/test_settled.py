"""What a build takes from the one before: the same bytes come out, and nothing is passed over."""

import filecmp
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.cli.conftest import new_desk
from tests.integration.cli.desk import DEBS, IMAGE, IMAGE_FILE, LIB, RESULT, Desk, newer
from tests.integration.cli.forks import Forks
from tests.integration.cli.test_damage import flip_unseen

FILES = """\
files:
  - {source: app/, target: /opt/app}
  - {source: notes.txt, target: /opt/notes.txt}
"""
APP = "images/app/app"
SETTLED = "taking all but the image's own files from the build before"


@pytest.fixture(scope="module")
def _own(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Desk]:
    with new_desk(tmp_path_factory.mktemp("own"), forks) as desk:
        lay_out(desk)
        assert built(desk) is False
        yield desk


@pytest.fixture
def own(desk: Desk, _own: Desk) -> Desk:
    """An image with files of its own, built once."""
    desk.copy_from(_own)
    return desk


def lay_out(desk: Desk) -> None:
    desk.write(IMAGE_FILE, IMAGE + FILES)
    desk.write(f"{APP}/settings.ini", "[app]\ncolour = blue\n")
    desk.write(f"{APP}/run", "#!/usr/bin/run\n").chmod(0o755)
    desk.write(f"{APP}/data/names.csv", "a,b\n" * 100)
    (desk.work / APP / "link").symlink_to("run")
    desk.write("images/app/notes.txt", "first\n")


def built(desk: Desk, *arguments: str, code: int = 0) -> bool:
    """Whether it was taken from the build before; and it is what a build out of nothing would be."""
    ran = desk.run("build", "app", *arguments)
    assert ran.code == code, ran.err + ran.out
    new = desk.run("build", "app", "-o", "fresh", *arguments, env={"TEMPER_STORE": str(desk.root / "other")})
    assert SETTLED not in new.err
    assert same(desk.work / RESULT, desk.work / "fresh")
    assert ran.out.replace(RESULT, "fresh") == new.out
    for folder in ("other", "work/fresh"):
        shutil.rmtree(desk.root / folder)
    return SETTLED in ran.err


def same(one: Path, other: Path) -> bool:
    names = {str(path.relative_to(folder)) for folder in (one, other) for path in folder.rglob("*")}
    files = [name for name in names if (one / name).is_file() or (other / name).is_file()]
    assert "report.json" in files
    return filecmp.cmpfiles(one, other, files, shallow=False)[1:] == ([], [])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (f"{APP}/settings.ini", "[app]\ncolour = green\n"),
        (f"{APP}/data/names.csv", "c,d\n" * 100),
        ("images/app/notes.txt", "other\n"),
        ("images/app/notes.txt", "much longer\n" * 100),
    ],
)
def test_other_bytes_in_own_files_move_their_layer_alone(own: Desk, path: str, text: str) -> None:
    before = (own.work / RESULT / "oci/index.json").read_text()
    (own.work / path).write_text(text)
    assert built(own) is True
    assert (own.work / RESULT / "oci/index.json").read_text() != before
    (own.work / path).write_text(text.replace("o", "u"))
    assert built(own) is True


def test_without_a_change_all_is_taken(own: Desk) -> None:
    assert built(own) is True


def test_without_files_of_its_own_too(used: Desk) -> None:
    assert built(used) is True


TEMPLATE = '{% extends "Dockerfile.j2" %}\n{% block header %}\n# Ours\n{{ super() }}\n{%- endblock %}\n'
SMALL = """\
extends: hardened
title: Small
controls: {max-size: {megabytes: 1}}
"""


def add(desk: Desk) -> None:
    desk.write(f"{APP}/new.ini", "")


def remove(desk: Desk) -> None:
    (desk.work / APP / "settings.ini").unlink()


def allow(desk: Desk) -> None:
    (desk.work / APP / "settings.ini").chmod(0o755)


def turn(desk: Desk) -> None:
    (desk.work / APP / "link").unlink()
    (desk.work / APP / "link").symlink_to("data")


def grow(desk: Desk) -> None:
    desk.write(f"{APP}/settings.ini", "[app]\n" * 20_000)


def rewrite(desk: Desk) -> None:
    desk.write(f"{APP}/run", "#!/usr/bin/app\n")


@pytest.mark.parametrize("change", [add, remove, allow, turn, grow, rewrite])
def test_whatever_else_changes_has_the_image_made_anew(own: Desk, change: Callable[[Desk], None]) -> None:
    change(own)
    assert built(own) is False


def test_another_image_yaml_has_it_made_anew(own: Desk) -> None:
    own.write(IMAGE_FILE, IMAGE.replace("test's", "tester's") + FILES)
    assert built(own) is False


def test_another_profile_has_it_made_anew(own: Desk) -> None:
    own.write("profiles/hardened.yaml", "extends: hardened\ntitle: Ours\n")
    assert built(own) is False


def test_another_lock_has_it_made_anew(own: Desk) -> None:
    own.published([newer(deb, "3.0") if deb is LIB else deb for deb in DEBS])
    assert own.run("lock", "app", "--upgrade").code == 0
    assert built(own) is False


def test_another_date_has_it_made_anew(own: Desk) -> None:
    ran = own.run("build", "app", env={"SOURCE_DATE_EPOCH": "1000000000"})
    assert (ran.code, SETTLED in ran.err) == (0, False)


def test_a_secret_is_found(own: Desk) -> None:
    own.write(f"{APP}/settings.ini", "[app]\nkey = AKIA" + "Q3EXAMPLEKEY7ABC\n")
    assert built(own, code=1) is False
    assert SETTLED not in own.run("build", "app").err


def test_what_a_control_has_read_may_not_change(own: Desk) -> None:
    """A line of such a file may be code, which is run at each start."""
    path = "usr/lib/python3/dist-packages/demo.pth"
    own.write(IMAGE_FILE, IMAGE + f"files: [{{source: start.pth, target: /{path}}}]\n")
    own.write("images/app/start.pth", "demo\n")
    assert built(own) is False
    assert built(own) is True
    own.write("images/app/start.pth", "deme\n")
    assert built(own) is False


def test_what_names_a_package_may_not_change(own: Desk) -> None:
    """The SBOM has it as a component."""
    own.write(f"{APP}/package.json", '{"name": "left-pad", "version": "1.0.0", "license": "MIT"}')
    assert built(own) is False
    assert built(own) is True
    own.write(f"{APP}/package.json", '{"name": "left-pad", "version": "1.0.1", "license": "MIT"}')
    assert built(own) is False
    assert '"1.0.1"' in (own.work / RESULT / "sbom/cyclonedx.json").read_text()


def test_what_lies_among_the_documentation_may_not_change(own: Desk) -> None:
    """A licence there is a package's, whoever brought it."""
    own.write(IMAGE_FILE, IMAGE + "files: [{source: notes.txt, target: /usr/share/doc/app/copyright}]\n")
    assert built(own) is False
    own.write("images/app/notes.txt", "License: MIT\n")
    assert built(own) is False


def test_a_limit_of_size_is_kept(own: Desk) -> None:
    own.write(
        "profiles/small.yaml", "extends: hardened\ntitle: Small\ncontrols: {max-size: {megabytes: 1}}\n"
    )
    own.write(f"{APP}/data/names.csv", "a" * 600_000)
    ran = own.run("build", "app", "-p", "small")
    own.write(f"{APP}/data/names.csv", "a" * 900_000)
    taken = own.run("build", "app", "-p", "small")
    own.write(f"{APP}/data/names.csv", "a" * 1_000_001)
    refused = own.run("build", "app", "-p", "small")
    assert (ran.code, taken.code, refused.code) == (0, 0, 1)
    assert SETTLED in taken.err
    assert "the image is 1.0 MB unpacked, 1 MB are allowed" in refused.out


def test_an_own_dockerfile_is_looked_at(own: Desk) -> None:
    own.write("images/app/Dockerfile.j2", TEMPLATE)
    assert built(own) is False
    own.write("images/app/Dockerfile.j2", TEMPLATE.replace("Ours", "Theirs"))
    assert built(own) is False
    own.write(f"{APP}/settings.ini", "[app]\ncolour = black\n")
    assert built(own) is True


def test_who_asks_for_it_gets_everything_anew(own: Desk) -> None:
    assert SETTLED in own.run("build", "app").err
    assert SETTLED not in own.run("build", "app", "--anew").err


def test_a_byte_that_rotted_in_the_store_is_found(own: Desk) -> None:
    flip_unseen(own.blob((own.work / RESULT / "definition/layers/01-system.tar.gz").read_bytes()))
    ran = own.run("build", "app")
    assert (ran.code, SETTLED in ran.err, "is damaged" in ran.err) == (3, True, True)
    assert built(own) is False


@pytest.mark.parametrize("name", ["spdx.json", "cyclonedx.json"])
def test_an_sbom_that_the_store_has_lost_is_made_anew(own: Desk, name: str) -> None:
    own.blob((own.work / RESULT / "sbom" / name).read_bytes()).unlink()
    assert built(own) is False


def test_a_layer_that_the_store_has_lost_is_made_anew(own: Desk) -> None:
    own.blob((own.work / RESULT / "definition/layers/01-system.tar.gz").read_bytes()).unlink()
    assert built(own) is False


def test_after_a_scan_its_controls_are_assessed_again(own: Desk) -> None:
    assert own.run("scan", "app", "--scanner", "built-in").code == 0
    before = (own.work / RESULT / "scan.json").read_bytes()
    ran = own.run("build", "app", "--json")
    assert (own.work / RESULT / "scan.json").read_bytes() == before
    controls = {one["key"]: one["audit"] for one in json.loads(ran.out)["controls"]}
    assert controls["no-pending-updates"] == "passed"
    own.write(f"{APP}/settings.ini", "[app]\ncolour = white\n")
    controls = {
        one["key"]: one["audit"] for one in json.loads(own.run("build", "app", "--json").out)["controls"]
    }
    assert controls["no-pending-updates"] == "not assessed"
