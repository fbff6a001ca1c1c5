"""compose.yaml against the contract, field by field, in the words of the Compose Specification."""

from dataclasses import replace
from typing import Any

import pytest
import yaml

from builder.model.contract import RunContract, tmpfs_options
from builder.render.definition import run_files
from builder.render.mounts import state_mounts
from tests.golden import IMAGES, image_of, plan_of
from tests.unit.render.contracts import NAMES, contract_of, text_of

AT_THE_START = {"cpuset", "sysctls", "environment"}
"""They have a test of their own."""


def document_of(contract: RunContract) -> dict[str, Any]:
    image = image_of(plan_of("full-contract", IMAGES["full-contract"]))
    texts = {file.path: file.text for file in run_files(image, contract)}
    document = yaml.safe_load(texts["run/compose.yaml"])
    assert isinstance(document, dict)
    return document


def service_of(contract: RunContract) -> dict[str, Any]:
    (service,) = document_of(contract)["services"].values()
    assert isinstance(service, dict)
    return service


def unescaped(text: str) -> str:
    return text.replace("$$", "$")


@pytest.mark.parametrize("name", NAMES)
def test_the_service_is_the_contract(name: str) -> None:
    contract = contract_of(name)
    service = {key: value for key, value in service_of(contract).items() if key not in AT_THE_START}
    assert service.pop("image") == contract.image
    assert service.pop("user") == contract.user
    assert service.pop("group_add", []) == [str(group) for group in contract.groups]
    assert unescaped(service.pop("working_dir")) == contract.workdir
    assert service.pop("read_only") is True
    assert service.pop("cap_drop") == ["ALL"]
    assert service.pop("cap_add", []) == list(contract.capabilities)
    seccomp = [f"seccomp=./{contract.name}.seccomp.json"] if contract.seccomp else []
    assert service.pop("security_opt") == ["no-new-privileges:true", *seccomp]
    assert service.pop("tmpfs", []) == [
        f"{one.path}:{tmpfs_options(contract, one)}" for one in contract.tmpfs
    ]
    assert [(one["target"], one["read_only"]) for one in service.pop("volumes", [])] == [
        (one.path, one.mode == "ro") for one in contract.state
    ]
    handed = (*contract.devices, *(contract.gpu.devices if contract.gpu else ()))
    devices = [f"{one.path}:{one.path}:{one.permissions}" for one in handed]
    assert service.pop("devices", []) == devices
    gpus = {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    deploy = (
        {"resources": {"reservations": {"devices": [gpus]}}} if contract.gpu and contract.gpu.cdi else None
    )
    assert service.pop("deploy", None) == deploy
    address = "[2001:db8::7]" if name == "full-contract" else "127.0.0.1"
    assert service.pop("ports", []) == [f"{address}:{port}:{port}" for port in contract.ports]
    assert service.pop("networks", ["contract"]) == ["contract"]
    assert (service.pop("mem_limit"), service.pop("memswap_limit")) == (contract.memory, contract.memory)
    assert (service.pop("pids_limit"), service.pop("cpus")) == (contract.pids, contract.cpus)
    assert service.pop("shm_size") == contract.shm
    limits = {name: {"soft": limit.soft, "hard": limit.hard} for name, limit in contract.ulimits}
    assert service.pop("ulimits", {}) == limits
    assert service.pop("stop_signal") == contract.stop_signal
    assert service.pop("restart") == "on-failure:5"
    assert service == {}, "said, and not in the contract"


@pytest.mark.parametrize("name", NAMES)
def test_what_it_is_told_at_the_start_is_the_contract(name: str) -> None:
    contract = contract_of(name)
    service = service_of(contract)
    assert service.get("cpuset", "all") == contract.cpuset_cpus
    assert service.get("sysctls", {}) == dict(contract.sysctls)
    said = [word.partition("=")[0] for word in service.get("environment", [])]
    settable = [name for name in contract.pass_env if not set("${}") & set(dict(contract.env).get(name, ""))]
    assert said == [*dict(contract.given), *settable]


def test_a_variable_of_the_image_keeps_its_value_where_nobody_sets_it() -> None:
    """Compose takes one that is named alone and not set out of the container."""
    assert service_of(contract_of("full-contract"))["environment"] == [
        "LOG_LEVEL=${LOG_LEVEL-1}",
        "NCCL_DEBUG",
    ]


def test_memory_nodes_have_no_word_and_are_told() -> None:
    said = "# Not in Compose's words: memory nodes (0); docker-run.sh has them.\n"
    assert said in text_of("full-contract", "run/compose.yaml")
    assert said not in text_of("python", "run/compose.yaml")


def test_a_network_of_one_s_own_is_one_that_is_there() -> None:
    document = document_of(contract_of("full-contract"))
    assert document["networks"] == {"contract": {"name": "bank", "external": True}}
    assert document["services"]["full-contract"]["networks"] == ["contract"]


def test_without_a_network_no_port_is_published() -> None:
    contract = replace(contract_of("full-contract"), network="none")
    assert set(document_of(contract)) == {"name", "services"}
    service = service_of(contract)
    assert service["network_mode"] == "none"
    assert not {"ports", "networks"} & set(service)


def test_the_engine_s_own_network_needs_no_word() -> None:
    contract = replace(contract_of("full-contract"), network="default")
    assert set(document_of(contract)) == {"name", "services"}
    assert not {"network_mode", "networks"} & set(service_of(contract))


def test_state_is_a_folder_that_a_variable_names() -> None:
    document = yaml.safe_load(text_of("awkward", "run/compose.yaml"))
    assert document["services"]["awkward"]["volumes"][1] == {
        "type": "bind",
        "source": "${SRV_READ_ONLY_FOLDER:?must name the folder for srv-read-only}",
        "target": "/srv/read only",
        "read_only": True,
        "bind": {"create_host_path": False},
    }
    mounts = state_mounts(contract_of("awkward"))
    assert [mount.variable for mount in mounts][:2] == ["DATA_FOLDER", "SRV_READ_ONLY_FOLDER"]
