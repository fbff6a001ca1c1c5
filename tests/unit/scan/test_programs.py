"""Programs that hang, crash, lie, say too much, call home or aren't there: nothing of that passes a gate."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from builder.model.scan import ProgramName, ScanRun
from builder.scan import program as programs
from builder.scan.grype import scan as grype
from builder.scan.run import run
from builder.scan.target import Target
from builder.scan.trivy import scan as trivy
from tests.unit.scan.samples import program, target

TRIVY = 'case $1 in --version) echo "Version: 0.74.0"; exit;; esac\n'
GRYPE = 'case $1 in version) echo "Version: 0.120.0"; exit;; esac\n'
METADATA = '{"Version": 2, "UpdatedAt": "2026-11-21T06:00:00Z"}'
NO_DATABASE = "no database; run `temper scan --update`, or copy one into '{}'"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program of this machine is found."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")


def with_database(found: Target) -> Target:
    folder = found.place.store.root / "scanners/trivy/db"
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(METADATA)
    return found


def said(tmp_path: Path, name: ProgramName, body: str, **settings: object) -> ScanRun:
    head = TRIVY if name == "trivy" else GRYPE
    program(tmp_path / "bin", name, head + body)
    found = with_database(target(tmp_path, **settings))
    return trivy(found) if name == "trivy" else grype(found)


def test_missing(tmp_path: Path) -> None:
    found = trivy(target(tmp_path))
    assert found.problem == "'trivy' is not on the PATH; install it, or don't require it in the profile"
    assert not found.assessed


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("exit 0", "it answered nothing: it said nothing"),
        ("echo oh no >&2; exit 1", "it failed: oh no"),
        ("echo '{\"Results\": [' > trivy.json", "its answer of 14 bytes is no JSON, or breaks off"),
        ("echo '[]' > trivy.json", "its answer is no JSON object"),
        ("echo '{}' > trivy.json", "saw no packages"),
        ("echo '{\"Results\": null}' > trivy.json", "saw no packages"),
        ("echo '{\"Results\": [null, 3, {}]}' > trivy.json", "saw no packages"),
        ("echo '{}' > trivy.json; exit 7", "it ended with 7, though nothing asks it to: it said nothing"),
        ("exit 139", "it failed: it said nothing"),
    ],
)
def test_what_trivy_may_do(tmp_path: Path, body: str, problem: str) -> None:
    assert said(tmp_path, "trivy", body).problem == problem


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("exit 0", "it answered nothing: it said nothing"),
        ("echo oh no >&2; exit 1", "it failed: oh no"),
        ("echo '{\"matches\": [' > grype.json", "its answer of 14 bytes is no JSON, or breaks off"),
        ("echo '{}' > grype.json", "its database doesn't say how old it is"),
    ],
)
def test_what_grype_may_do(tmp_path: Path, body: str, problem: str) -> None:
    assert said(tmp_path, "grype", body).problem == problem


def test_one_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "alive"
    body = f"(while :; do date +%s%N > {note}; sleep 0.05; done) & sleep 600"
    found = said(tmp_path, "trivy", body, timeout=1)
    assert found.problem == "it took longer than 1 s, and was stopped"
    before = note.read_text()
    time.sleep(0.3)  # a child that is left would write meanwhile
    assert note.read_text() == before


@pytest.mark.parametrize("body", ["cat /dev/zero", "cat /dev/zero > trivy.json", "cat /dev/zero >&2"])
def test_one_that_says_too_much_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(programs, "LARGEST", 1_000_000)
    assert said(tmp_path, "trivy", body).problem == "it wrote more than 1 MB, and was stopped"


def test_what_it_wrote_last_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "LARGEST", 1_000_000)
    body = "head -c 2000000 /dev/zero > trivy.json"
    assert said(tmp_path, "trivy", body).problem.startswith("it wrote more than 1 MB")


def test_it_has_no_network(tmp_path: Path) -> None:
    if not programs.cut_off():
        pytest.skip("this machine allows no namespaces")
    body = "tail -n +3 /proc/net/dev | wc -l >&2; exit 1"
    assert said(tmp_path, "trivy", body).problem == "it failed: 1"  # the loopback alone


def test_where_nothing_holds_it_off_the_network_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "cut_off", lambda: ())
    answer = '{"Results": [{"Class": "os-pkgs", "Type": "debian", "Packages": [{"Name": "libc6"}]}]}'
    found = said(tmp_path, "trivy", f"echo '{answer}' > trivy.json")
    assert found.limits == (programs.NO_NETWORK_HERE,)


def test_it_gets_no_secret_and_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy")
    monkeypatch.setenv("TRIVY_IGNORE_POLICY", "mine.rego")
    found = said(tmp_path, "trivy", "env | cut -d= -f1 | sort | tr '\\n' ' ' >&2; exit 1")
    names = set(found.problem.removeprefix("it failed: ").split())
    assert names <= {
        "HOME", "LC_ALL", "PATH", "PWD", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
        "OLDPWD", "SHLVL", "_",
    }  # fmt: skip


def test_its_folder_is_empty_and_gone_afterwards(tmp_path: Path) -> None:
    found = said(tmp_path, "trivy", "pwd >&2; ls -A | wc -l >&2; ls -d $HOME >&2; exit 1")
    folder = Path(found.problem.removeprefix("it failed: "))
    assert folder.parent == tmp_path / "store/scanners"
    assert not folder.exists()


@pytest.mark.parametrize("version", ["0.69.4", "0.69.5", "v0.69.6"])
def test_a_release_that_is_known_to_be_bad_is_refused(tmp_path: Path, version: str) -> None:
    asked = tmp_path / "asked"
    path = program(tmp_path / "bin", "trivy", f'echo "Version: {version}"; echo "$@" >> {asked}')
    found = trivy(with_database(target(tmp_path)))
    plain = version.removeprefix("v")
    assert found.problem == (
        f"trivy {plain} is refused: that release was not made by its makers (GHSA-69fq-xp46-6x23)"
    )
    assert (found.version, found.sha256) == (plain, hashlib.sha256(path.read_bytes()).hexdigest())
    assert asked.read_text() == "--version\n"


def test_one_that_does_not_tell_its_version_is_not_run(tmp_path: Path) -> None:
    path = program(tmp_path / "bin", "grype", "echo 'Version:    [not provided]'")
    assert grype(target(tmp_path)).problem == (
        f"'{path}' doesn't tell its version, so nobody knows if it is a bad release"
    )


def test_a_program_with_another_hash_than_the_pinned_one_is_never_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    path = program(tmp_path / "bin", "trivy", f"touch {started}")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    found = trivy(target(tmp_path, pins={"trivy": ("0" * 64,)}))
    assert found.problem == f"'{path}' has SHA-256 {sha256}, which the profile's pins don't name"
    assert not started.exists()


def test_no_database(tmp_path: Path) -> None:
    program(tmp_path / "bin", "trivy", TRIVY)
    found = trivy(target(tmp_path))
    assert found.problem == NO_DATABASE.format(tmp_path / "store/scanners/trivy/db")


def test_an_old_database(tmp_path: Path) -> None:
    program(tmp_path / "bin", "trivy", TRIVY)
    found = with_database(target(tmp_path, database_days=1))
    (found.place.store.root / "scanners/trivy/db/metadata.json").write_text(
        '{"UpdatedAt": "2026-11-17T06:00:00Z"}'
    )
    assert trivy(found).problem == (
        "its database is of 2026-11-17, 5 days old, and the profile allows 1; run `temper scan --update`"
    )


def test_the_database_is_fetched_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    asked = tmp_path / "asked"
    body = (
        f'echo "$2 $HTTPS_PROXY" >> {asked}\n'
        f"mkdir -p {tmp_path}/store/scanners/trivy/db; "
        f"echo '{METADATA}' > {tmp_path}/store/scanners/trivy/db/metadata.json"
    )
    program(tmp_path / "bin", "trivy", TRIVY + body)
    trivy(target(tmp_path, update=True))
    assert asked.read_text() == "--download-db-only http://proxy\n--input \n"


def test_an_update_that_fails_says_so(tmp_path: Path) -> None:
    program(tmp_path / "bin", "trivy", f"{TRIVY}echo no such host >&2; exit 1")
    assert trivy(target(tmp_path, update=True)).problem == "its database can't be updated: no such host"


def test_a_required_scanner_that_is_missing_did_not_assess(tmp_path: Path) -> None:
    os.environ["PATH"] = str(tmp_path / "bin")
    runs = run(target(tmp_path, scanners=("trivy",)), table={"trivy": trivy, "grype": grype})
    assert [(one.scanner, one.assessed) for one in runs] == [("trivy", False)]
