"""`temper scan` with a program in a scanner's place: the gate, the report, VEX, and what is published."""

import base64
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from builder.supply.openvex import PREDICATE as VEX
from builder.supply.vulns import PREDICATE as VULNS
from tests.integration.archive import Deb
from tests.integration.cli.desk import DEBS, IMAGE, IMAGE_FILE, Desk
from tests.integration.registry import Registry

REPOSITORY = "team/service"
PROFILE = """\
extends: hardened
title: A bank's
scan:
  scanners: [trivy]
  grace-days: 0
"""
BUILT = "build/app-bank-amd64"
STATEMENTS = """\
author: Security <security@bank.example>
statements:
  - vulnerability: CVE-2026-0001
    packages: [lib]
    status: not_affected
    justification: vulnerable_code_not_in_execute_path
    statement: nothing here calls it
    date: 2026-11-01
    expires: 2126-11-01
"""
TOOLS = Path(__file__).parents[3] / ".tools/bin"
ENV = {"TEMPER_PASSPHRASE": "correct horse"}
CONTROLS = ("vulnerability-scan", "vex-only", "known-scanners")


def answer(package: str = "lib", version: str = "2.0") -> str:
    row = {
        "VulnerabilityID": "CVE-2026-0001", "PkgName": package, "InstalledVersion": version,
        "FixedVersion": "9.0", "Severity": "CRITICAL",
    }  # fmt: skip
    packages = [{"Name": name} for name in ("app", "base-files", "lib")]
    result = {"Class": "os-pkgs", "Type": "debian", "Packages": packages, "Vulnerabilities": [row]}
    return json.dumps({"SchemaVersion": 2, "Results": [result]})


@pytest.fixture
def place(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """With a scanner, and a profile that asks for it."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "answer.json").write_text(answer())
    trivy = programs / "trivy"
    trivy.write_text(
        '#!/bin/sh\ncase $1 in --version) echo "Version: 0.74.0"; exit;; esac\n'
        f'echo "$1" >> {programs}/asked\ncat {programs}/answer.json > trivy.json\n'
    )
    trivy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    database = desk.store / "scanners/trivy/db"
    database.mkdir(parents=True)
    (database / "metadata.json").write_text('{"UpdatedAt": "2126-01-01T00:00:00Z"}')
    desk.write("profiles/bank.yaml", PROFILE)
    return desk


@pytest.fixture
def built(place: Desk) -> Desk:
    ran = place.run("build", "app", "-p", "bank")
    assert ran.code == 0, ran.err
    return place


def scanned(desk: Desk, *options: str) -> tuple[int, str]:
    ran = desk.run("-q", "scan", "app", "-p", "bank", "--scanner", "trivy", *options)
    assert ran.err == ""
    return ran.code, ran.out


def told(desk: Desk) -> dict[str, Any]:
    """Of report.json, what the three controls say."""
    report = json.loads((desk.work / BUILT / "report.json").read_text())
    return {one["key"]: one["audit"] for one in report["controls"] if one["key"] in CONTROLS}


def digest_of(desk: Desk) -> str:
    found: str = json.loads((desk.work / BUILT / "report.json").read_text())["digest"]
    return found


def test_before_a_scan_nobody_knows(built: Desk) -> None:
    assert told(built) == dict.fromkeys(CONTROLS, "not assessed")


def test_what_fails_the_gate(built: Desk) -> None:
    code, out = scanned(built)
    today = json.loads((built.work / BUILT / "scan.json").read_text())["time"][:10]
    assert (code, out) == (
        1,
        f"""\
image   app, profile bank, linux/amd64
digest  {digest_of(built)}
scanners
  trivy  0.74.0  1 finding in 3 packages, data of 2126-01-01

fails (1)
  package  installed  fixed in  vulnerability  rating    open             scanner
  lib      2.0        9.0       CVE-2026-0001  critical  seen {today}  trivy

app fails the scan gate of profile bank: 1 finding

written to {BUILT}/scan.json
""",
    )
    assert told(built) == {
        "vulnerability-scan": "failed",
        "vex-only": "passed",
        "known-scanners": "passed",
    }


def test_an_image_that_fails_it_is_not_published(built: Desk, registry: Registry) -> None:
    scanned(built)
    code, err = built.refused("publish", "app", f"{registry.host}/{REPOSITORY}:1.0", "-p", "bank")
    assert (code, err) == (
        2,
        (
            f"temper: {BUILT}: the image fails profile 'bank', so it is not published; mend it, or waive the "
            "control in the profile with a reason\n"
        ),
    )


def test_a_build_of_the_same_image_keeps_the_scan(built: Desk) -> None:
    built.write("vex/a.yaml", STATEMENTS)
    scanned(built)
    before = (built.work / BUILT / "scan.json").read_bytes()
    assert built.run("build", "app", "-p", "bank").code == 0
    assert (built.work / BUILT / "scan.json").read_bytes() == before
    assert told(built) == dict.fromkeys(CONTROLS, "passed")


def test_a_build_of_another_image_drops_it(built: Desk) -> None:
    scanned(built)
    built.write(IMAGE_FILE, IMAGE.replace("A test's", "Another"))
    assert built.run("build", "app", "-p", "bank").code == 0
    assert not (built.work / BUILT / "scan.json").exists()
    assert told(built) == dict.fromkeys(CONTROLS, "not assessed")


def test_an_excused_finding_is_told_with_its_statement(built: Desk) -> None:
    built.write("images/app/vex/lib.yaml", STATEMENTS)
    code, out = scanned(built)
    assert code == 0
    label = "images/app/vex/lib.yaml: vulnerable_code_not_in_execute_path"
    assert f"excused by VEX (1)\n  lib  CVE-2026-0001  critical  {label}\n" in out
    assert told(built) == dict.fromkeys(CONTROLS, "passed")


def test_when_the_statement_is_gone_the_report_says_so(built: Desk) -> None:
    file = built.write("vex/a.yaml", STATEMENTS)
    assert scanned(built)[0] == 0
    file.unlink()
    ran = built.run("-q", "audit", "app", "-p", "bank", "--format", "json")
    [control] = [one for one in json.loads(ran.out)["controls"] if one["key"] == "vex-only"]
    assert [one["message"] for one in control["findings"]] == [
        (
            "trivy: CVE-2026-0001 of lib is excused by 'vex/a.yaml: vulnerable_code_not_in_execute_path', "
            "and no such statement holds today"
        )
    ]


def test_one_that_expired_excuses_nothing_and_is_told(built: Desk) -> None:
    built.write("vex/a.yaml", STATEMENTS.replace("2126-11-01", "2026-11-02"))
    code, out = scanned(built)
    assert code == 1
    assert (
        "VEX statements that excuse nothing\n"
        "  - vex/a.yaml:3: CVE-2026-0001: expired on 2026-11-02; it counts no more\n"
    ) in out


def test_a_wrong_statement_ends_with_2(built: Desk) -> None:
    built.write("vex/a.yaml", STATEMENTS.replace("in_execute_path", "in_path"))
    assert built.refused("scan", "app", "-p", "bank", "--scanner", "trivy") == (
        2,
        (
            "temper: vex/a.yaml:6: statements[0].justification: 'vulnerable_code_not_in_path' is not known "
            "here; did you mean 'vulnerable_code_not_in_execute_path'?\n"
        ),
    )


def test_a_scanner_that_is_missing_is_not_assessed(built: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    code, out = scanned(built)
    assert code == 1
    assert out.endswith(
        "\napp fails the scan gate of profile bank: not assessed\n"
        "  - trivy did not assess the image: 'trivy' is not on the PATH; install it, or don't require it in "
        f"the profile\n\nwritten to {BUILT}/scan.json\n"
    )
    assert told(built)["vulnerability-scan"] == "not assessed"


def test_for_programs(built: Desk) -> None:
    ran = built.run("-q", "scan", "app", "-p", "bank", "--scanner", "trivy", "--json")
    data = json.loads(ran.out)
    assert (ran.code, data["passed"], [one["id"] for one in data["findings"]]) == (
        1,
        False,
        ["CVE-2026-0001"],
    )


def test_of_an_image_of_others_nothing_is_kept(built: Desk) -> None:
    """Its layout is read as it is; of an archive the scanner is given an SBOM."""
    folder = built.work / BUILT / "oci"
    with tarfile.open(built.work / "app.tar", "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.add(path, path.relative_to(folder), recursive=False)
    (built.work / BUILT / "sbom").rename(built.work / "elsewhere")
    for reference in (f"{BUILT}/oci", "app.tar"):
        ran = built.run("-q", "scan", reference, "-p", "bank", "--scanner", "trivy")
        assert (ran.code, ran.err) == (1, "")
        assert "  lib      2.0        9.0       CVE-2026-0001  critical  seen " in ran.out
        assert "written to" not in ran.out
    assert (built.root / "programs/asked").read_text() == "image\nsbom\n"
    assert not (built.work / BUILT / "scan.json").exists()


def test_what_others_built_proves_nothing(built: Desk) -> None:
    assert built.refused("scan", f"{BUILT}/oci", "-p", "bank", "--propose-vex") == (
        2,
        (
            f"temper: --propose-vex: '{BUILT}/oci' was built by others; nobody here knows what its packages "
            "brought\n"
        ),
    )


def test_an_image_that_was_not_built(place: Desk) -> None:
    assert place.refused("scan", "app", "-p", "bank") == (
        2,
        f"temper: {BUILT}/oci: no such image; run `temper build app --profile bank` first\n",
    )


def test_statements_and_scan_are_published_and_attested(built: Desk, registry: Registry) -> None:
    built.write("vex/a.yaml", STATEMENTS)
    assert scanned(built)[0] == 0
    assert built.run("key", "team", env=ENV).code == 0
    reference = f"{registry.host}/{REPOSITORY}:1.0"
    ran = built.run("publish", "app", reference, "-p", "bank", "--key", "team.key", env=ENV)
    assert ran.code == 0, ran.err
    kinds = {one["artifactType"] for one in registry.referrers(REPOSITORY, digest_of(built))}
    assert {"application/vnd.openvex+json", "application/vnd.temper.scan.v1+json"} <= kinds
    seen = json.loads(built.run("verify-signature", reference, "--key", "team.pub", "--json").out)
    assert {VEX, VULNS} <= set(seen["manifests"][0]["attested"])
    said = json.loads((built.work / BUILT / "vex.json").read_text())
    [product] = said["statements"][0]["products"]
    assert product == {
        "@id": f"pkg:oci/service@{digest_of(built).replace(':', '%3A')}",
        "subcomponents": [{"@id": "pkg:deb/debian/lib@2.0"}],
    }


@pytest.mark.parametrize("kind", ["openvex", "vuln"])
def test_cosign_accepts_what_is_attested(built: Desk, registry: Registry, kind: str) -> None:
    cosign = shutil.which("cosign", path=f"{TOOLS}:{os.environ['PATH']}")
    if cosign is None:
        pytest.skip("no cosign on the PATH or in .tools/bin; run `make tools`")
    built.write("vex/a.yaml", STATEMENTS)
    assert scanned(built)[0] == 0
    assert built.run("key", "team", env=ENV).code == 0
    reference = f"{registry.host}/{REPOSITORY}:1.0"
    assert built.run("publish", "app", reference, "-p", "bank", "--key", "team.key", env=ENV).code == 0
    options = ["--key", "team.pub", "--insecure-ignore-tlog=true", "--allow-insecure-registry", reference]
    found = subprocess.run(
        [cosign, "verify-attestation", "--type", kind, *options],
        cwd=built.work, env={"HOME": str(built.root), "PATH": "/usr/bin:/bin"}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    statement = json.loads(base64.b64decode(json.loads(found.stdout.splitlines()[-1])["payload"]))
    assert statement["predicateType"] == {"openvex": VEX, "vuln": VULNS}[kind]


def test_a_scan_of_another_image_is_not_published(built: Desk, registry: Registry) -> None:
    built.write("vex/a.yaml", STATEMENTS)
    scanned(built)
    path = built.work / BUILT / "scan.json"
    path.write_text(path.read_text().replace(digest_of(built), f"sha256:{'0' * 64}"))
    assert built.refused("publish", "app", f"{registry.host}/{REPOSITORY}:1.0", "-p", "bank") == (
        2,
        f"temper: {BUILT}/scan.json: speaks of another image than {digest_of(built)}; scan the image again\n",
    )


def test_absence_is_proposed_where_the_image_proves_it(place: Desk) -> None:
    files = {"usr/bin/dash": b"#!/usr/bin/run dash\n"}
    shell = Deb(name="dash", architecture="all", files=files, modes={"usr/bin/dash": 0o755})
    place.published((*DEBS, shell))
    place.write(IMAGE_FILE, IMAGE.replace("[app]\nentry", "[app, dash]\nentry"))
    assert place.run("build", "app", "-p", "bank").code == 0
    programs = place.root / "programs"
    (programs / "answer.json").write_text(answer("dash", "1.0"))
    code, out = scanned(place, "--propose-vex")
    assert code == 1
    assert out.startswith("# Proposed by temper ")
    assert "    packages: [dash]\n    images: [app]\n" in out
    assert "    justification: component_not_present\n" in out
    place.write("vex/dash.yaml", out)
    assert place.refused("scan", "app", "-p", "bank") == (
        2,
        "temper: vex/dash.yaml:3: author: empty; write text\n",
    )
    place.write("vex/dash.yaml", out.replace("''", "Me"))
    assert scanned(place)[0] == 0
    (programs / "answer.json").write_text(answer())
    assert scanned(place, "--propose-vex") == (
        1,
        f"# Nothing to propose: of every package with a finding, some file is in {digest_of(place)}.\n",
    )
