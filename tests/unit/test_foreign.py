"""`temper audit REF` and `temper harden REF` without an engine: layouts and archives."""

import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from builder.cli import cli
from builder.errors import ArchiveError, EngineError, InputError
from builder.image.engine import Engine
from builder.image.layout import read_layout
from builder.model.report import Outcome, Report
from tests.unit.image.foreign_layout import digest, plain_layout, tar_of, write_layout

KEY = b"-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq\n"
BASE = tar_of(
    {
        "etc/": None,
        "etc/passwd": b"root:x:0:0::/root:/bin/sh\n",
        "usr/bin/sh": b"\0 not really",
        "usr/bin/serve": b"\0 nor this",
        "app/deploy.pem": KEY,
    },
    mode=0o755,
    mtime=1_700_000_000,
)
TOP = tar_of({"app/.wh.deploy.pem": b"", "app/main": b"\0 main"}, mode=0o4755, mtime=1_700_000_001)
CONFIG = {
    "Entrypoint": ["/usr/bin/serve"],
    "Cmd": ["--port", "8000"],
    "Env": ["PATH=/usr/bin", "MODE=fast"],
    "Volumes": {"/data": {}},
    "WorkingDir": "/app",
    "StopSignal": "SIGINT",
}
STEPS = ("/bin/sh -c #(nop) ADD base.tar /", "RUN /bin/sh -c rm /app/deploy.pem # buildkit")


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPER_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)

    def refused() -> Engine:
        raise EngineError("no container engine answers")

    monkeypatch.setattr(Engine, "connect", refused)
    return tmp_path


@pytest.fixture
def layout(desk: Path) -> Path:
    layers = [(gzip.compress(layer, mtime=0), layer) for layer in (BASE, TOP)]
    return write_layout(desk / "image", layers, steps=STEPS, config=CONFIG)


@pytest.fixture
def saved(desk: Path) -> Path:
    """As `docker save` writes it."""
    config = {
        "os": "linux",
        "architecture": "amd64",
        "config": CONFIG,
        "created": "2026-01-02T03:04:05Z",
        "rootfs": {"diff_ids": [f"sha256:{digest(layer)}" for layer in (BASE, TOP)]},
        "history": [{"created_by": step} for step in STEPS],
    }
    manifest = [{"Config": "c.json", "RepoTags": None, "Layers": ["1/layer.tar", "2/layer.tar"]}]
    path = desk / "image.tar"
    path.write_bytes(
        tar_of(
            {
                "1/layer.tar": BASE,
                "2/layer.tar": TOP,
                "c.json": json.dumps(config).encode(),
                "manifest.json": json.dumps(manifest).encode(),
            }
        )
    )
    return path


def temper(*words: str | Path) -> Result:
    result = CliRunner().invoke(cli, ["-q", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def report(*words: str | Path) -> Report:
    return Report.model_validate_json(temper(*words, "--format", "json").stdout)


def test_a_layout_and_an_archive_of_the_same_image_have_the_same_findings(layout: Path, saved: Path) -> None:
    one, other = report("audit", layout), report("audit", saved)
    by_key = {item.key: item for item in one.controls}
    assert {item.key: item.audit for item in other.controls} == {
        key: item.audit for key, item in by_key.items()
    }
    assert by_key["no-setuid"].audit is Outcome.FAILED
    assert by_key["package-set"].audit is Outcome.NOT_ASSESSED
    assert "package-set: no lock: the image was not built from an image.lock.json here" in one.not_run
    (message,) = [item.message for item in by_key["no-secrets"].findings]
    assert message.endswith("; layer 1 of 2, made by 'ADD base.tar /'")
    hidden = [item.message for item in by_key["no-shadowed-content"].findings]
    assert any(text.endswith("layer 2 of 2, made by 'RUN rm /app/deploy.pem'") for text in hidden)


def test_a_compressed_archive_and_a_tar_of_a_layout_are_the_same_image(
    layout: Path, saved: Path, desk: Path
) -> None:
    (desk / "image.tgz").write_bytes(gzip.compress(saved.read_bytes()))
    files = {str(path.relative_to(layout)): path.read_bytes() for path in layout.rglob("*") if path.is_file()}
    (desk / "layout.tar.gz").write_bytes(gzip.compress(tar_of(files)))
    for one, other in (
        ("image.tgz", saved),
        ("layout.tar.gz", layout),
        ("oci-archive:layout.tar.gz", layout),
    ):
        found, wanted = report("audit", one), report("audit", other)
        assert found.image == one
        assert found.model_copy(update={"image": wanted.image}) == wanted
    assert report("harden", "image.tgz", "-o", "one").digest == report("harden", saved, "-o", "two").digest
    assert (desk / "build").exists() is False
    assert not list((desk / "store/temp").iterdir())


def test_a_hardened_archive_has_a_folder_of_its_own_name(saved: Path, desk: Path) -> None:
    (desk / "app.tar.gz").write_bytes(gzip.compress(saved.read_bytes()))
    temper("harden", "app.tar.gz")
    assert [path.name for path in (desk / "build").iterdir()] == ["app-hardened-amd64"]


def test_what_to_do_is_said_for_an_image_without_image_yaml(layout: Path) -> None:
    text = temper("audit", layout).stdout
    told = [line.strip() for line in text.splitlines() if line.startswith("  what to do: ")]
    assert 'what to do: write HEALTHCHECK CMD ["program", "argument"], or waive this for a batch job' in told
    failures = text[text.index("\nFAILED ") : text.index("\nnot run\n")]
    assert "image.yaml" not in failures
    assert "image.lock.json" not in failures


def test_code_scanning_is_told_the_same(layout: Path) -> None:
    [run] = json.loads(temper("audit", "oci:image", "--format", "sarif").stdout)["runs"]
    helps = {rule["id"]: rule["help"]["text"] for rule in run["tool"]["driver"]["rules"]}
    assert helps["oci-labels"] == "add the label by LABEL in the Dockerfile"
    [result] = [one for one in run["results"] if one["ruleId"] == "healthcheck"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert place == "oci%3Aimage"


def test_explain_prints_what_to_do_for_both() -> None:
    text = temper("explain", "oci-labels").stdout
    assert "when it fails\n  add the label under `labels:` in image.yaml\n" in text
    assert "on an image that others built\n  add the label by LABEL in the Dockerfile\n" in text
    assert "on an image that others built" not in temper("explain", "no-setuid").stdout


TESTS = """\
schemaVersion: 2.0.0
fileExistenceTests: [{name: deleted, path: /app/deploy.pem, shouldExist: false}]
metadataTest: {workdir: /srv}
commandTests: [{name: serves, command: serve}]
"""


def test_a_teams_own_tests_run_on_any_image(saved: Path, desk: Path) -> None:
    (desk / "test.yaml").write_text(TESTS)
    found = report("audit", saved, "--structure-test", "test.yaml")
    assert [(check.name, check.outcome.value, check.message) for check in found.suites] == [
        ("structure: deleted", "passed", ""),
        ("structure: metadata", "failed", "the workdir is '/app', not '/srv'"),
    ]
    assert "test.yaml: commandTests: no container engine answers" in found.not_run


def test_tests_that_ask_for_what_they_are_not_given_are_not_run(saved: Path, desk: Path) -> None:
    (desk / "one.yaml").write_text(f"{TESTS}containerRunOptions: {{privileged: true, allocateTty: true}}\n")
    (desk / "two.yaml").write_text("schemaVersion: 2.0.0\ncontainerRunOptions: {privileged: true}\n")
    words = [word for name in ("one.yaml", "two.yaml") for word in ("--structure-test", name)]
    said = [note for note in report("audit", saved, *words).not_run if ".yaml: " in note]
    assert said == [
        (
            "one.yaml: commandTests: containerRunOptions.privileged: not given: "
            "it opens this machine to the image"
        ),
        (
            "one.yaml: commandTests: containerRunOptions.allocateTty: not given: "
            "standard and error output would be one"
        ),
    ]


def test_what_is_wrong_in_a_file_of_tests_is_said_before_anything_is_read(desk: Path) -> None:
    (desk / "test.yaml").write_text(f"{TESTS}containerRunOptions: {{envFile: gone}}\n")
    with pytest.raises(InputError) as error:
        temper("audit", "nowhere", "--structure-test", "test.yaml")
    assert str(error.value) == (
        "test.yaml: containerRunOptions.envFile: 'gone' can't be read: no such file or directory; "
        "name a file of NAME=value lines, from the working directory on"
    )


@pytest.mark.parametrize("form", ["oci:image", "image", "./image"])
def test_forms_of_a_reference(layout: Path, form: str) -> None:
    assert report("audit", form).digest == read_layout(layout).digest


@pytest.mark.parametrize("form", ["text", "json", "junit", "sarif"])
def test_every_form_of_the_report(layout: Path, form: str) -> None:
    result = temper("audit", layout, "--format", form)
    assert result.exit_code == 1
    assert "no-setuid" in result.stdout


def test_fail_on_decides_the_exit_code(layout: Path, desk: Path) -> None:
    (desk / "profiles").mkdir()
    (desk / "profiles" / "mine.yaml").write_text("title: mine\ncontrols: {healthcheck: true}\n")
    assert temper("audit", layout, "-p", "mine").exit_code == 1
    result = temper("audit", layout, "-p", "mine", "--fail-on", "medium")
    assert result.exit_code == 0
    assert result.stdout.endswith(
        "image FAILS profile mine: 1 of 1 control failed\n"
        "no control of severity medium or above fails: exit 0, by --fail-on\n"
    )


def test_a_hardened_image_keeps_its_config_and_its_date(layout: Path) -> None:
    result = temper("harden", layout, "-o", "out")
    assert result.exit_code == 1  # no health check, no package records
    done = read_layout(Path("out/oci"))
    before = read_layout(layout).config
    kept = ("entrypoint", "cmd", "volumes", "workdir", "stop_signal", "created", "platform")
    assert [getattr(done.config, name) for name in kept] == [getattr(before, name) for name in kept]
    assert done.config.env_value("MODE") == "fast"
    assert done.config.user == "65532:65532"
    assert [layer.name for layer in done.layers] == ["flattened"]
    assert "usr/bin/sh" not in done.rootfs
    assert "app/deploy.pem" not in done.rootfs
    assert done.rootfs["app/main"].mode == 0o755
    assert done.rootfs["app/main"].mtime == 1_700_000_001
    assert "changed by no-setuid: No file is setuid or setgid\n  - changed " in result.stdout
    assert "\nleft to do\n" in result.stdout
    assert Report.model_validate_json(Path("out/report.json").read_bytes()).digest == done.digest


def test_a_hardened_image_has_an_sbom(layout: Path) -> None:
    """Of what its records claim; what nobody claims is listed."""
    done = report("harden", layout, "-o", "out")
    documents = {path.name: path.read_bytes() for path in Path("out/sbom").iterdir()}
    assert sorted(documents) == ["cyclonedx.json", "spdx.json"]
    assert temper("sbom", "out").stdout.encode() == documents["spdx.json"]
    row = done.sbom
    assert row is not None
    files = [entry.path for entry in read_layout(Path("out/oci")).rootfs.files()]
    assert (row.components, row.files, row.owned_files) == (0, len(files), 0)
    assert set(row.unowned) == set(files)
    said = json.loads(documents["spdx.json"])
    assert {file["fileName"].removeprefix("./") for file in said["files"]} == set(files)
    temper("harden", layout, "-o", "again")
    assert {path.name: path.read_bytes() for path in Path("again/sbom").iterdir()} == documents


def test_an_sbom_of_a_foreign_debian_names_its_packages(desk: Path) -> None:
    status = (
        "Package: tool\nStatus: install ok installed\nVersion: 1.2-3\nArchitecture: amd64\n"
        "Maintainer: A Team <team@example.org>\nDescription: x\n"
    )
    layer = tar_of(
        {
            "etc/os-release": b'ID=debian\nVERSION_ID="13"\n',
            "usr/bin/serve": b"\0 tool",
            "srv/own": b"mine",
            "var/lib/dpkg/status": status.encode(),
            "var/lib/dpkg/info/tool.list": b"/.\n/usr\n/usr/bin\n/usr/bin/serve\n",
        }
    )
    source = write_layout(desk / "debian", [(gzip.compress(layer, mtime=0), layer)], config=CONFIG)
    row = report("harden", source, "-o", "out").sbom
    assert row is not None
    assert (row.components, row.kinds, "srv/own" in row.unowned) == (1, {"deb": 1}, True)
    assert "usr/bin/serve" not in row.unowned
    names = {one["name"]: one for one in json.loads(Path("out/sbom/spdx.json").read_bytes())["packages"]}
    assert names["tool"]["versionInfo"] == "1.2-3"


def test_the_definition_says_the_same_image(layout: Path) -> None:
    temper("harden", layout, "-o", "out")
    lines = Path("out/definition/Dockerfile").read_text().splitlines()
    assert lines[0].endswith(
        "hardened by Temper under the profile hardened: harden the image again to change it."
    )
    assert 'ADD ["layers/01-flattened.tar.gz", "/"]' in lines
    assert 'ENTRYPOINT ["/usr/bin/serve"]' in lines
    assert Path("out/definition/layers/01-flattened.tar.gz").is_file()


def test_the_same_input_gives_the_same_digest_from_layout_and_archive(
    layout: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []
    for number, source in enumerate((layout, saved, layout)):
        monkeypatch.setenv("TEMPER_STORE", f"store{number}")
        digests.append(report("harden", source, "-o", f"out{number}").digest)
    assert len(set(digests)) == 1


def test_source_date_epoch_wins(layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1600000000")
    temper("harden", layout, "-o", "out")
    image = read_layout(Path("out/oci"))
    assert image.config.created == 1_600_000_000
    assert max(entry.mtime for entry in image.rootfs.values()) == 1_600_000_000


def test_a_dry_run_lists_and_writes_nothing(layout: Path, desk: Path) -> None:
    before = files(desk)
    result = temper("harden", layout, "--dry-run")
    assert "changed by no-shell: No shell is in the image\n  - removed usr/bin/sh\n" in result.stdout
    assert files(desk) == before


def files(folder: Path) -> dict[Path, str]:
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "store" not in path.relative_to(folder).parts[0]
    }


def test_a_health_check_in_shell_form_has_no_definition(desk: Path) -> None:
    check = {"Healthcheck": {"Test": ["CMD-SHELL", "serve --check"]}}
    folder = plain_layout(desk / "image", BASE, config={**CONFIG, **check})
    done = report("harden", folder, "-o", "out")
    assert not Path("out/definition").exists()
    assert "no definition was written, only the layout: the health check is in shell form" in done.advice
    assert read_layout(Path("out/oci")).config.healthcheck_shell


def test_an_image_is_not_hardened_over_itself(layout: Path) -> None:
    temper("harden", layout, "-o", "out")
    with pytest.raises(InputError) as error:
        temper("harden", "out", "-o", "out")
    assert str(error.value) == "'out': is where the image itself lies; choose another folder with -o"


def test_a_damaged_image_leaves_nothing_behind(layout: Path, desk: Path) -> None:
    victim = max((layout / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 0xFF
    victim.write_bytes(data)
    with pytest.raises(ArchiveError, match=victim.name):
        temper("harden", layout, "-o", "out")
    assert not (desk / "out").exists()
    assert not list((desk / "store/blobs/sha256").iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("audit", "nowhere"),
            "'nowhere': no such image or file here, and no engine to ask: no container engine answers",
        ),
        (
            ("harden", "pyton"),
            (
                "'pyton': no such image or file here, and no engine to ask: no container engine answers; "
                "did you mean 'python'?"
            ),
        ),
        (("audit", "image", "-p", "hardend"), "profile 'hardend': unknown profile; did you mean 'hardened'?"),
        (
            ("audit", "docker-archive:image.tar", "--platform", "linux/arm64"),
            "'image.tar': holds no image for 'linux/arm64'; it holds 'linux/amd64'",
        ),
    ],
)
def test_what_is_wrong_is_said_whole(layout: Path, saved: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as error:
        temper(*words)
    assert str(error.value) == message


def test_options_that_contradict_each_other(layout: Path) -> None:
    assert temper("harden", layout, "--dry-run", "--tag", "x").exit_code == 2
    assert temper("audit", layout, "-o", "out").exit_code == 2
    assert not os.path.lexists("out")
