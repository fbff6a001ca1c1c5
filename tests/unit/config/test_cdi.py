"""`temper gpu lint`: each case of tests/cases/cdi compares the whole message."""

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from builder.cli import cli
from builder.config.cdi import lint
from builder.errors import InputError

CASES = Path(__file__).parents[2] / "cases" / "cdi"
SOUND = CASES / "sound.yaml"


def facts(mode: int, uid: int = 0) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, uid, 0, 0, 0, 0, 0))


def host(**odd: os.stat_result | None) -> Callable[[str], os.stat_result]:
    """A host where everything is root's, but for what is odd by the last part of its name."""

    def look(path: str) -> os.stat_result:
        name = path.rpartition("/")[2].partition(".")[0].replace("-", "_")
        found = odd.get(name, facts(stat.S_IFREG | 0o755))
        if found is None:
            raise FileNotFoundError(2, "No such file or directory")
        return found

    return look


def messages(path: Path, look: Callable[[str], os.stat_result] | None = None) -> list[str]:
    found = [replace(problem, path=Path("spec")) for problem in lint(path, host=look)]
    return [str(problem).removeprefix("spec:") for problem in found]


@pytest.mark.parametrize("path", sorted(CASES.glob("*.txt")), ids=lambda path: path.stem)
def test_message(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    found = "".join(f"{problem}\n" for problem in lint(Path(f"{path.stem}.yaml")))
    assert found == path.read_text()


def test_what_nvidia_writes_is_sound() -> None:
    assert messages(SOUND) == []
    assert messages(SOUND, host()) == []


def test_json_is_read_with_lines_too(tmp_path: Path) -> None:
    data = yaml.safe_load(SOUND.read_text())
    data["containerEdits"]["hooks"][0].pop("env")
    path = tmp_path / "nvidia.json"
    path.write_text(json.dumps(data, indent=2))
    (line,) = [number for number, text in enumerate(path.read_text().splitlines(), 1) if '"hooks"' in text]
    (message,) = messages(path)
    assert message == (
        f"{line + 1}: containerEdits.hooks[0]: 'nvidia-cdi-hook update-ldcache' has no env, and so runs as "
        "root with the image's own (CVE-2025-23266); add one, such as NVIDIA_CTK_DEBUG=false"
    )


@pytest.mark.parametrize(
    ("text", "feature", "version"),
    [
        ("additionalGids: [44]", "additionalGids", "0.7.0"),
        ("intelRdt: {closID: a}", "intelRdt", "0.7.0"),
        ("intelRdt: {closID: a, schemata: [x]}", "intelRdt.schemata and enableMonitoring", "1.1.0"),
        ("deviceNodes: [{path: /dev/a, hostPath: /dev/b}]", "hostPath of a device node", "0.5.0"),
        (
            "mounts: [{hostPath: /a, containerPath: /a, type: bind, options: [ro, nosuid, nodev]}]",
            "type of a mount",
            "0.4.0",
        ),
    ],
)
def test_a_version_knows_what_is_used(tmp_path: Path, text: str, feature: str, version: str) -> None:
    path = tmp_path / "a.yaml"
    form = "cdiVersion: {}\nkind: a.com/b\ndevices:\n  - name: c\n    containerEdits: {{{}}}\n"
    path.write_text(form.format("0.3.0", text))
    assert messages(path) == [
        f"1: cdiVersion: '0.3.0' does not know {feature}, which came with {version}; write {version} or later"
    ]
    path.write_text(form.format(version, text))
    assert messages(path) == []


def test_what_is_named_must_be_there_and_be_root_s() -> None:
    look = host(
        nvidia0=None,
        nvidia_cdi_hook=facts(stat.S_IFREG | 0o757),
        libcuda=facts(stat.S_IFREG | 0o644, uid=1000),
    )
    missing = "can't be looked at: no such file or directory; write the spec anew"
    hook, library = "/usr/bin/nvidia-cdi-hook", "/usr/lib/x86_64-linux-gnu/libcuda.so.580.65.06"
    loose = "may be written by others than root (mode 0757); chmod go-w"
    foreign = "belongs to uid 1000, not to root; chown it, or find out who put it there"
    assert messages(SOUND, look) == [
        f"7: devices[0].containerEdits.deviceNodes[0]: '/dev/nvidia0' {missing}",
        f"12: devices[1].containerEdits.deviceNodes[0]: '/dev/nvidia0' {missing}",
        f"21: containerEdits.hooks[0].path: '{hook}' {loose}",
        f"25: containerEdits.mounts[0].hostPath: '{library}' {foreign}",
    ]


def test_devices_and_sockets_are_meant_for_others() -> None:
    look = host(nvidia0=facts(stat.S_IFCHR | 0o666, uid=1000), libcuda=facts(stat.S_IFSOCK | 0o666))
    assert messages(SOUND, look) == []


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(InputError) as caught:
        lint(Path("/nowhere/nvidia.yaml"))
    assert str(caught.value) == (
        "/nowhere/nvidia.yaml: is no file; name a CDI specification, such as /var/run/cdi/nvidia.yaml"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]\n", "1: no mapping; a specification begins with cdiVersion, kind, devices"),
        ("", "1: no mapping; a specification begins with cdiVersion, kind, devices"),
        ("a: [\n", "2: not YAML: expected the node content, but found '<stream end>'"),
    ],
)
def test_a_file_that_is_something_else(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    assert messages(path) == [message]


def test_the_verb_ends_with_1_where_something_is_found() -> None:
    done = CliRunner().invoke(cli, ["gpu", "lint", str(CASES / "dangerous.yaml"), "--json"])
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert answer["host"] is False
    assert {"line", "at", "text"} == set(answer["findings"][0])


def test_the_verb_says_what_it_did_not_look_at() -> None:
    done = CliRunner().invoke(cli, ["gpu", "lint", str(SOUND)])
    assert (done.exit_code, done.stdout) == (0, f"{SOUND}: nothing is wrong, by its text alone\n")
