"""What a person types on a good day, and what a program reads."""

import json
import re
from xml.etree import ElementTree

import pytest

from builder.model.report import Report
from tests.integration.archive import Deb
from tests.integration.cli.desk import (
    APP,
    BASE,
    IMAGE,
    IMAGE_FILE,
    LIB,
    LOCK_FILE,
    PROFILE_FILE,
    RESULT,
    Desk,
    newer,
)

LAYOUT = {"oci-layout", "index.json", "blobs"}
FILES = {"oci", "definition", "provenance.json", "report.json", "sbom"}


def test_list_shows_what_is_here_first_and_what_is_built_in(desk: Desk) -> None:
    ran = desk.run("list")
    assert (ran.code, ran.err) == (0, "")
    assert re.search(r"\n  app +A test's application\n", ran.out)
    assert re.search(r"\n  bank +A bank's \(extends hardened\)\n", ran.out)
    assert "  python " in ran.out


def test_list_as_json(desk: Desk) -> None:
    listing = json.loads(desk.run("list", "--json").out)
    assert listing["images"][0] == {
        "name": "app",
        "description": "A test's application",
        "path": str(desk.work / "images/app"),
        "variant-of": None,
    }
    assert {
        "name": "bank",
        "title": "A bank's",
        "extends": "hardened",
        "path": str(desk.work / PROFILE_FILE),
    } in (listing["profiles"])


def test_list_of_what_is_here_alone(desk: Desk) -> None:
    assert desk.run("list", "--names", "--here").out == "app\n"
    listing = json.loads(desk.run("list", "--here", "--json").out)
    assert [[row["name"] for row in listing[kind]] for kind in ("images", "profiles")] == [["app"], ["bank"]]


def test_plan_says_who_asks_for_what(desk: Desk) -> None:
    ran = desk.run("plan", "app", "-p", "bank")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(
        "image       app: A test's application\nprofile     bank -> hardened -> baseline\n"
    )
    assert re.search(r"\n  no-shell +- +hardened +\S", ran.out)
    planned = json.loads(desk.run("plan", "app", "-p", "bank", "--json").out)
    assert planned["packages"] == [{"name": "app", "asked-by": "image"}]
    assert planned["extends"] == ["hardened", "baseline"]


def test_explain_tells_why(desk: Desk) -> None:
    ran = desk.run("explain", "no-shell")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("no-shell (high): ")
    assert json.loads(desk.run("explain", "no-shell", "--json").out)["key"] == "no-shell"


@pytest.mark.parametrize("kind", ["image", "profile", "vex"])
def test_schema_is_json(desk: Desk, kind: str) -> None:
    ran = desk.run("schema", kind)
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["type"] == "object"


def test_lock_says_what_it_locked_and_then_what_moved(desk: Desk) -> None:
    first = desk.run("-q", "lock", "app")
    assert (first.code, first.out, first.err) == (0, f"{LOCK_FILE}: linux/amd64: 3 packages, 0 wheels\n", "")
    again = desk.run("-q", "lock", "app")
    assert (again.code, again.out, again.err) == (0, f"{LOCK_FILE}: nothing moved\n", "")
    desk.published([BASE, newer(LIB, "2.1"), APP, Deb(name="zlib", architecture="all")])
    moved = desk.run("-q", "lock", "app", "--upgrade", "--json")
    assert (moved.code, moved.err) == (0, "")
    assert json.loads(moved.out) == [
        {
            "image": "app",
            "lock": LOCK_FILE,
            "new": False,
            "written": True,
            "moved": [
                {
                    "kind": "deb",
                    "name": "lib",
                    "locked": "2.0",
                    "newest": "2.1",
                    "security": False,
                    "gone": False,
                    "platforms": ["linux/amd64"],
                }
            ],
            "behind": [],
            "unfixed": [],
        }
    ]
    assert desk.half_made() == []


def test_build_from_nothing_tells_each_step(desk: Desk, digest: str) -> None:
    ran = desk.run("build", "app")
    assert ran.code == 0
    assert re.sub(r"[\d.]+ k?B|[\d.]+ bytes|[\d.]+ s\b", "N", ran.err) == (
        f"note: {LOCK_FILE}: no such lock; locking\n"
        "checking package indexes\n"
        "fetching package indexes\n"
        "received 2 files, N in N\n"
        "resolving packages of debian/trixie for amd64\n"
        f"note: wrote {LOCK_FILE}\n"
        "downloading\n"
        "received 3 files, N in N\n"
        "unpacking\n"
        "composing and hardening\n"
        "writing layers\n"
        "writing the SBOM\n"
        "auditing\n"
    )
    assert f"\ndigest    {digest}\n" in ran.out
    assert ran.out.endswith(f"\nwritten to {RESULT}\n")
    assert {path.name for path in (desk.work / RESULT).iterdir()} == FILES
    assert {path.name for path in (desk.work / RESULT / "oci").iterdir()} == LAYOUT
    assert desk.store_is_whole()
    assert desk.half_made() == []


def test_a_second_build_asks_the_mirror_for_nothing(used: Desk, digest: str) -> None:
    used.mirror.asked.clear()
    ran = used.run("build", "app", "--json", "--offline", "--locked")
    assert ran.code == 0
    assert Report.model_validate_json(ran.out).digest == digest
    assert used.mirror.asked == []


def test_quiet_says_nothing_on_stderr(used: Desk) -> None:
    ran = used.run("-q", "build", "app")
    assert (ran.code, ran.err) == (0, "")


def test_build_into_a_folder_of_ones_own(used: Desk) -> None:
    ran = used.run("build", "app", "-o", "my/result")
    assert ran.code == 0
    assert ran.out.endswith("\nwritten to my/result\n")
    assert {path.name for path in (used.work / "my/result/oci").iterdir()} == LAYOUT


def test_render_writes_a_build_context(used: Desk) -> None:
    ran = used.run("-q", "render", "app", "-o", "context")
    assert (ran.code, ran.out, ran.err) == (0, "context\n", "")
    files = {str(path.relative_to(used.work / "context")) for path in (used.work / "context").rglob("*.*")}
    assert {"layers/01-system.tar.gz", "run/compose.yaml", "run/pod.yaml", "run/docker-run.sh"} <= files
    assert (used.work / "context/Dockerfile").read_text().splitlines()[-1].startswith("ENTRYPOINT")


def test_audit_reads_the_result_back(used: Desk, digest: str) -> None:
    ran = used.run("-q", "audit", "app")
    assert (ran.code, ran.err) == (0, "")
    assert f"\ndigest    {digest}\n" in ran.out
    assert Report.model_validate_json(used.run("audit", "app", "--format", "json").out).passed
    junit = used.run("audit", "app", "--format", "junit").out
    assert ElementTree.fromstring(junit).tag == "testsuites"  # noqa: S314 - our own output
    assert json.loads(used.run("audit", "app", "--format", "sarif").out)["version"] == "2.1.0"


def test_an_image_that_fails_its_profile_ends_with_1(used: Desk) -> None:
    used.write(IMAGE_FILE, IMAGE.replace("entrypoint: [app]", "entrypoint: [nowhere]"))
    ran = used.run("-q", "build", "app", "-p", "bank")
    assert (ran.code, ran.err) == (1, "")
    assert "\nFAILED exec-entrypoint (medium): " in ran.out
    assert re.search(r"\napp FAILS profile bank: 1 of \d+ controls failed, \d+ not assessed\n", ran.out)
    report = Report.model_validate_json((used.work / "build/app-bank-amd64/report.json").read_bytes())
    assert (report.passed, report.tag) == (False, "")
    assert used.run("-q", "audit", "app", "-p", "bank").code == 1
