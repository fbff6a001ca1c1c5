from dataclasses import fields, replace

import pytest

from builder.errors import InputError
from builder.model.contract import RunContract, podman_tmpfs_options, tmpfs_options, user_and_group
from builder.model.plan import Plan
from builder.model.profile import DEFAULTS, Device, RunSettings, Ulimit
from builder.model.scheduling import Mps
from builder.model.spec import State, Writable
from builder.render.contract import dns_label, make_contract
from builder.render.mounts import state_mounts, variable_name
from tests.golden import IMAGES, plan_of


@pytest.fixture
def plan() -> Plan:
    return plan_of("onnx-inference", IMAGES["onnx-inference"])


def test_the_contract_is_what_the_image_and_the_profile_say(plan: Plan) -> None:
    contract = make_contract(plan, "temper/onnx-inference:hardened", "65532:65532")
    assert contract.image == "temper/onnx-inference:hardened"
    assert contract.name == "onnx-inference"
    assert contract.user == "65532:65532"
    assert contract.ports == (8000,)
    assert contract.entrypoint == ("python3", "-m", "server")
    assert contract.tmpfs == (Writable(path="/tmp", size="64m"),)
    assert contract.state == (State(path="/models"),)
    assert (contract.memory, contract.pids, contract.cpus, contract.shm) == ("512m", 128, 1.0, "64m")


def test_a_profile_that_sets_no_limits_gets_some(plan: Plan) -> None:
    contract = make_contract(replace(plan, run=RunSettings(memory="2g")), "x", "1:1")
    assert (contract.memory, contract.pids, contract.cpus, contract.shm) == ("2g", 128, 1.0, "64m")


def test_an_image_without_a_user_runs_as_root(plan: Plan) -> None:
    assert make_contract(plan, "x", "").user == "0:0"


@pytest.mark.parametrize(
    ("name", "label"),
    [("python", "python"), ("My_App.v2", "my-app-v2"), ("/", "image"), ("a" * 80, "a" * 63)],
)
def test_a_name_becomes_a_dns_label(name: str, label: str) -> None:
    assert dns_label(name) == label


@pytest.mark.parametrize(
    ("scratch", "options"),
    [
        (Writable(path="/tmp"), "rw,nosuid,nodev,noexec,size=64m,uid=10001,gid=20002,mode=1777"),
        (Writable(path="/cache", size="1g"), "rw,nosuid,nodev,noexec,size=1g,uid=10001,gid=20002,mode=0700"),
        (Writable(path="/jit", exec=True), "rw,nosuid,nodev,exec,size=64m,uid=10001,gid=20002,mode=0700"),
    ],
)
def test_scratch_space_holds_no_setuid_program_and_no_device(
    plan: Plan, scratch: Writable, options: str
) -> None:
    assert tmpfs_options(make_contract(plan, "x", "10001:20002"), scratch) == options


def test_a_user_without_a_group_has_the_group_of_the_same_number(plan: Plan) -> None:
    assert user_and_group(make_contract(plan, "x", "7")) == (7, 7)


def test_a_user_by_name_is_refused(plan: Plan) -> None:
    with pytest.raises(InputError) as caught:
        user_and_group(make_contract(plan, "x", "nonroot"))
    assert str(caught.value) == "user 'nonroot': is not in digits; write it as uid:gid"


def test_state_folders_never_share_a_name(plan: Plan) -> None:
    contract = replace(
        make_contract(plan, "x", "1:1"), state=(State(path="/a-b"), State(path="/a_b"), State(path="/a/b"))
    )
    assert [mount.label for mount in state_mounts(contract)] == ["a-b", "a-b-x", "a-b-x-x"]


def test_a_variable_starts_with_no_digit() -> None:
    assert variable_name("2nd-data") == "_2ND_DATA_FOLDER"


def test_every_setting_of_the_profile_is_in_the_contract(plan: Plan) -> None:
    settings = RunSettings(
        groups=(44,),
        capabilities=("NET_BIND_SERVICE",),
        devices=(Device(path="/dev/fuse"),),
        network="bank",
        interface="192.0.2.7",
        ulimits={"nofile": Ulimit(soft=1, hard=2), "core": Ulimit(soft=0, hard=0)},
        cpuset_cpus="0-3",
        cpuset_mems="1",
        sysctls={"net.core.somaxconn": "1", "kernel.sem": "1 2 3 4"},
        pass_env=("NCCL_DEBUG",),
        mps=Mps(threads=50),
    )
    contract = make_contract(replace(plan, run=settings, seccomp="{}"), "x", "1:1")
    assert contract.groups == (44,)
    assert contract.capabilities == ("NET_BIND_SERVICE",)
    assert contract.devices == (Device(path="/dev/fuse", permissions="rw"),)
    assert (contract.network, contract.interface, contract.seccomp) == ("bank", "192.0.2.7", "{}")
    assert (contract.cpuset_cpus, contract.cpuset_mems) == ("0-3", "1")
    assert contract.sysctls == (("kernel.sem", "1 2 3 4"), ("net.core.somaxconn", "1"))
    assert (contract.pass_env, contract.mps) == (("NCCL_DEBUG",), Mps(threads=50))
    assert contract.given == (), "the image has no GPU"
    assert contract.ulimits == (("core", Ulimit(soft=0, hard=0)), ("nofile", Ulimit(soft=1, hard=2)))


def test_a_contract_has_no_setting_that_a_profile_lacks() -> None:
    assert set(dict(DEFAULTS)) <= {field.name for field in fields(RunContract)}
    assert all(value is not None for _, value in DEFAULTS)


def test_without_a_network_nothing_is_published(plan: Plan) -> None:
    contract = make_contract(plan, "x", "1:1")
    assert contract.published == (8000,)
    assert replace(contract, network="none").published == ()


def test_podman_gives_scratch_space_to_the_user_in_its_own_words() -> None:
    options = "rw,nosuid,nodev,noexec,size=64m,mode=0700,notmpcopyup,U"
    assert podman_tmpfs_options(Writable(path="/cache")) == options
