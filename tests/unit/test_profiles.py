"""Two profiles compared, and one checked: as data and as text."""

import datetime
from pathlib import Path

import pytest

from builder.config.workspace import Workspace
from builder.errors import InputError
from builder.profiles import check, check_text, diff, diff_text

TODAY = datetime.date(2026, 11, 22)
TOP = Path(__file__).parents[2]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / "profiles" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def workspace(folder: Path) -> Workspace:
    return Workspace((folder, TOP), folder)


BANK = """\
extends: hardened
title: Our bank's
packages: [procps]
controls:
  nonroot-user: {uid: 10001}
  max-size: {megabytes: 400}
  healthcheck: {off: a load balancer asks instead}
run:
  memory: 2g
scan:
  grace-days: 3
waivers:
  - {control: no-shell, reason: until the new release, expires: 2027-03-31}
"""


TOLD = """\
hardened -> bank
controls
  +  max-size      low   The unpacked image is not larger than the profile allows
  -  healthcheck   low   off: a load balancer asks instead
  ~  nonroot-user  high  uid: 65532 -> 10001
run
  ~  memory  512m -> 2g
scan
  ~  grace-days  14 -> 3
packages
  +  procps
waivers
  +  no-shell  until the new release (until 2027-03-31)"""


def test_what_changes_is_told_by_part(tmp_path: Path) -> None:
    written(tmp_path, "bank", BANK)
    assert diff(workspace(tmp_path), "hardened", "bank", TODAY) == {
        "from": "hardened",
        "to": "bank",
        "added": ["max-size"],
        "removed": {"healthcheck": "a load balancer asks instead"},
        "parameters": {"nonroot-user": {"uid": {"from": 65532, "to": 10001}}},
        "run": {"memory": {"from": "512m", "to": "2g"}},
        "scan": {"grace-days": {"from": 14, "to": 3}},
        "packages": {"procps": {"from": None, "to": True}},
        "waivers": {"no-shell": {"from": None, "to": "until the new release (until 2027-03-31)"}},
    }


def test_what_changes_is_told_in_words(tmp_path: Path) -> None:
    written(tmp_path, "bank", BANK)
    assert diff_text(diff(workspace(tmp_path), "hardened", "bank", TODAY)) == TOLD


def test_the_way_back_is_told_the_other_way_round(tmp_path: Path) -> None:
    written(tmp_path, "bank", BANK)
    back = diff(workspace(tmp_path), "bank", "hardened", TODAY)
    assert (back["added"], back["removed"]) == (["healthcheck"], {"max-size": ""})
    assert back["packages"] == {"procps": {"from": True, "to": None}}


def test_nothing_is_told_of_a_profile_and_itself() -> None:
    same = diff(Workspace((TOP,), TOP), "hardened", "hardened", TODAY)
    assert diff_text(same) == "hardened -> hardened: nothing changes"


def test_a_sound_profile_is_summed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, "bank", BANK)
    data = check(workspace(tmp_path), path, TODAY)
    number = len(data["controls"])
    assert check_text(data) == "\n".join(
        [
            f"profiles/bank.yaml: sound, extends hardened -> baseline; asks for {number} controls",
            "  switched off: healthcheck: a load balancer asks instead",
            "  waivers: no-shell: until the new release (until 2027-03-31)",
            "  adds package procps",
        ]
    )


def test_a_file_anywhere_can_be_checked(tmp_path: Path) -> None:
    path = tmp_path / "draft.yaml"
    path.write_text("extends: baseline\ntitle: A draft\n", encoding="utf-8")
    assert check(Workspace((TOP,), TOP), path, TODAY)["extends"] == ["baseline"]


def test_every_problem_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(
        tmp_path,
        "bank",
        "extends: hardend\ntitle: x\ncontrols:\n  no-shel: true\n  seccomp: false\n",
    )
    with pytest.raises(InputError) as error:
        check(workspace(tmp_path), path, TODAY)
    assert str(error.value).split("\n") == [
        "profiles/bank.yaml:1: extends: unknown profile 'hardend'; did you mean 'hardened'?",
        "profiles/bank.yaml:4: controls.no-shel: unknown control; did you mean 'no-shell'?",
        "profiles/bank.yaml:5: controls.seccomp: 'false' gives no reason; write {off: reason}",
    ]
