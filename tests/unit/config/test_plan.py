import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from builder.config.plan import lock_profile, make_plan
from builder.config.workspace import Workspace
from builder.errors import InputError
from builder.model.plan import PackageRequest, SwitchedOff
from builder.model.profile import DEFAULTS, Device, Ulimit, Waiver
from builder.model.spec import PythonSpec
from tests.unit.config.cases import CATALOGUE, SOUND, TODAY, Account, Limit, Ownership, plan


@pytest.fixture
def team(tmp_path: Path) -> Path:
    (tmp_path / "profiles").mkdir()
    return tmp_path


def profile(team: Path, text: str, name: str = "bank") -> None:
    (team / "profiles" / f"{name}.yaml").write_text(text)


def parameters(team: Path) -> dict[str, object]:
    return {control.key: control.parameters for control in plan(team).controls}


def test_plan_of_a_sound_image() -> None:
    made = plan(SOUND)
    assert (made.image, made.profile, made.chain) == ("app", "bank", ("bank", "hardened", "baseline"))
    assert made.folder == SOUND / "images" / "app"
    assert made.spec.ports == (8000,)
    assert made.waivers == (
        Waiver(control="healthcheck", reason="batch job", expires=datetime.date(2027, 3, 31)),
    )
    assert made.switched_off == ()


def test_controls_stand_in_the_catalogues_order_with_who_asked_last() -> None:
    assert [(control.key, control.asked_by) for control in plan(SOUND).controls] == [
        ("nonroot-user", "bank"),
        ("no-shell", "hardened"),
        ("owners", "hardened"),
        ("healthcheck", "baseline"),
    ]


def test_parameters_are_merged_along_the_chain() -> None:
    made = plan(SOUND)
    account, owners = made.control("nonroot-user"), made.control("owners")
    assert account is not None
    assert account.parameters == Account(uid=10001, gid=10002)
    assert owners is not None
    assert owners.parameters == Ownership(modes={"usr": 420, "app": 493}, except_paths=("/tmp",))


def test_run_settings_are_merged_key_by_key_over_the_defaults() -> None:
    assert plan(SOUND).run == DEFAULTS.model_copy(update={"memory": "2g", "pids": 256})


def test_ulimits_are_merged_limit_by_limit(team: Path) -> None:
    limits = "nofile: {soft: 1024, hard: 4096}, memlock: -1"
    profile(team, f"title: x\nrun:\n  ulimits: {{{limits}}}\n  groups: [44]\n", "team")
    own = "nofile: {soft: 512, hard: 4096}, core: 1"
    profile(team, f"title: y\nextends: team\nrun:\n  ulimits: {{{own}}}\n  network: none\n")
    run = plan(team).run
    assert run.ulimits == {
        "core": Ulimit(soft=1, hard=1),
        "memlock": Ulimit(soft=-1, hard=-1),
        "nofile": Ulimit(soft=512, hard=4096),
    }
    assert (run.groups, run.network, run.interface) == ((44,), "none", "127.0.0.1")


def test_devices_may_be_written_by_their_path_alone(team: Path) -> None:
    profile(team, "title: x\nrun:\n  devices: [/dev/fuse, {path: /dev/kvm, permissions: r}]\n")
    assert plan(team).run.devices == (Device(path="/dev/fuse"), Device(path="/dev/kvm", permissions="r"))


def test_a_parents_choice_can_be_taken_back(team: Path) -> None:
    taken = "groups: [44], capabilities: [NET_BIND_SERVICE], devices: [/dev/fuse], network: bank"
    profile(team, f"title: x\nrun: {{{taken}}}\n", "team")
    back = "groups: [], capabilities: [], devices: [], network: default"
    profile(team, f"title: y\nextends: team\nrun: {{{back}}}\n")
    assert plan(team).run == DEFAULTS


def test_the_seccomp_profile_is_told_on_one_line(team: Path) -> None:
    folder = team / "images/app"
    folder.mkdir(parents=True)
    (folder / "image.yaml").write_text(
        "description: x\nbase: debian/trixie\nentrypoint: [x]\nseccomp: calls.json\n"
    )
    (folder / "calls.json").write_text('{"syscalls": [],\n "defaultAction": "SCMP_ACT_KILL"}\n')
    assert plan(team, "baseline").seccomp == '{"defaultAction":"SCMP_ACT_KILL","syscalls":[]}'
    assert plan(SOUND).seccomp == ""


def test_packages_name_who_asked_first() -> None:
    assert plan(SOUND, "dev").packages == (
        PackageRequest(name="ca-certificates", asked_by="image"),
        PackageRequest(name="tzdata", asked_by="image"),
        PackageRequest(name="python3.13", asked_by="python"),
        PackageRequest(name="busybox", asked_by="profile dev"),
    )


def test_only_a_profile_that_adds_packages_has_a_lock_of_its_own() -> None:
    assert lock_profile(plan(SOUND, "dev")) == "dev"
    assert lock_profile(plan(SOUND, "hardened")) is None


def test_switched_off_with_its_reason() -> None:
    made = plan(SOUND, "dev")
    reason = "nothing is served while debugging"
    assert made.switched_off == (SwitchedOff(key="healthcheck", reason=reason, by="dev"),)
    assert made.control("healthcheck") is None


def test_switching_on_again_begins_with_no_parameters(team: Path) -> None:
    profile(team, "title: x\nextends: baseline\ncontrols:\n  nonroot-user: {off: later}\n", "team")
    profile(team, "title: y\nextends: team\ncontrols:\n  nonroot-user: true\n")
    assert parameters(team)["nonroot-user"] == Account()
    assert plan(team).switched_off == ()


def test_true_keeps_what_the_parent_set(team: Path) -> None:
    profile(team, "title: x\nextends: baseline\ncontrols:\n  nonroot-user: true\n")
    assert parameters(team)["nonroot-user"] == Account(gid=10002)
    assert plan(team).controls[0].asked_by == "bank"


def test_lists_are_replaced_not_joined(team: Path) -> None:
    profile(team, "title: x\nextends: baseline\ncontrols:\n  owners: {except-paths: [/run]}\n")
    assert parameters(team)["owners"] == Ownership(modes={"usr": 420}, except_paths=("/run",))


def test_required_parameter_may_come_from_the_parent(team: Path) -> None:
    profile(team, "title: x\ncontrols:\n  max-size: {megabytes: 400}\n", "team")
    profile(team, "title: x\nextends: team\ncontrols:\n  max-size: true\n")
    assert parameters(team)["max-size"] == Limit(megabytes=400)


def test_own_profile_wins_over_the_built_in_one(team: Path) -> None:
    profile(team, "title: ours\ncontrols:\n  no-shell: true\n", "baseline")
    assert [control.key for control in plan(team, "dev").controls] == ["no-shell"]


def test_profile_that_extends_its_own_name_means_the_built_in_one(team: Path) -> None:
    profile(team, "title: ours\nextends: hardened\ncontrols:\n  max-size: {megabytes: 9}\n", "hardened")
    made = plan(team, "hardened")
    assert made.chain == ("hardened", "hardened", "baseline")
    assert [control.key for control in made.controls] == [
        "nonroot-user",
        "no-shell",
        "owners",
        "max-size",
        "healthcheck",
    ]


def test_child_renews_what_its_parent_let_expire(team: Path) -> None:
    waiver = "waivers:\n  - {control: healthcheck, reason: batch job, expires: %s}\n"
    profile(team, "title: x\nextends: baseline\n" + waiver % "2025-01-01", "team")
    profile(team, "title: x\nextends: team\n" + waiver % "2026-11-22")
    assert [waiver.expires for waiver in plan(team).waivers] == [TODAY]


def test_unknown_image_and_profile_are_told_together() -> None:
    with pytest.raises(InputError) as caught:
        make_plan(Workspace((SOUND,), SOUND), "apq", "hardend", CATALOGUE, TODAY)
    assert caught.value.problems == (
        "image 'apq': unknown image; did you mean 'app'?",
        "profile 'hardend': unknown profile; did you mean 'hardened'?",
    )


def test_planning_is_pure_but_for_reading() -> None:
    assert plan(SOUND) == plan(SOUND)


def test_link_out_of_the_images_folder_is_refused(team: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(team)
    folder = team / "images" / "app"
    folder.mkdir(parents=True)
    (team / "secret").write_text("x")
    (folder / "config").symlink_to("../../secret")
    (folder / "image.yaml").write_text(
        "description: x\nbase: debian/bookworm\nentrypoint: [x]\n"
        "files:\n  - {source: config, target: /config}\n"
    )
    profile(team, "title: x\n")
    with pytest.raises(InputError) as caught:
        plan(team)
    said = "'config' is a link out of the image's folder; put the file itself there"
    assert str(caught.value) == f"images/app/image.yaml:5: files[0].source: {said}"


def test_a_lock_without_exclusions_is_what_it_was_before_there_were_any() -> None:
    made = plan(SOUND)
    python = PythonSpec(version="3.13", requirements=("b", "a"))
    plain = replace(made, spec=made.spec.model_copy(update={"python": python}))
    assert plain.lock_inputs()["python"] == {"version": "3.13", "requirements": ["a", "b"]}
    spec = plain.spec.model_copy(update={"python": python.model_copy(update={"without": ("d", "c")})})
    excluding = replace(plain, spec=spec).lock_inputs()["python"]
    assert excluding == {"version": "3.13", "requirements": ["a", "b"], "without": ["c", "d"]}
