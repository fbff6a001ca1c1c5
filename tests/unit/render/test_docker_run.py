"""The rendered `docker run` line and what the engine is told by the SDK are the same contract."""

import argparse
import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.image.running import Mount, engine_arguments
from builder.model.contract import RunContract
from builder.render.definition import run_files
from builder.render.mounts import state_mounts
from tests.golden import IMAGES, image_of, plan_of
from tests.unit.render.contracts import NAMES, contract_of

FLAGS = {"--rm", "--interactive", "--read-only"}
ONCE = [
    *("--name", "--user", "--workdir", "--memory", "--memory-swap", "--pids-limit", "--cpus", "--shm-size"),
    *("--stop-signal", "--network", "--gpus", "--cpuset-cpus", "--cpuset-mems"),
]
OFTEN = [
    *(
        "--group-add",
        "--cap-drop",
        "--cap-add",
        "--security-opt",
        "--tmpfs",
        "--mount",
        "--device",
        "--ulimit",
    ),
    *("--publish", "--sysctl", "--env"),
]


def words(name: str, contract: RunContract, tmp_path: Path, *arguments: str, **variables: str) -> list[str]:
    """What `docker` is called with: a stand-in for it tells. The folders are named by the variables."""
    for file in run_files(image_of(plan_of(name, IMAGES[name])), contract):
        path = tmp_path / file.path
        path.parent.mkdir(exist_ok=True)
        path.write_text(file.text)
    stand_in = tmp_path / "docker"
    stand_in.write_text('#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done\n')
    stand_in.chmod(0o755)
    folders = {state.variable: folder(state.path) for state in state_mounts(contract)}
    done = subprocess.run(
        ["/bin/sh", "run/docker-run.sh", *arguments],
        env={"PATH": f"{tmp_path}{os.pathsep}/usr/bin:/bin", **folders, **variables},
        capture_output=True,
        cwd=tmp_path,
        check=True,
    )
    return done.stdout.decode().removesuffix("\0").split("\0")


def folder(path: str) -> str:
    return f"/$HOME of{path}"


def options(line: list[str]) -> argparse.Namespace:
    """As docker's own parser reads them; an option that this test doesn't know ends it."""
    parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    for flag in FLAGS:
        parser.add_argument(flag, action="store_true")
    for option in ONCE:
        parser.add_argument(option)
    for option in OFTEN:
        parser.add_argument(option, action="append", default=[])
    parser.add_argument("image")
    assert line[0] == "run"
    return parser.parse_args(line[1:])


def as_told(line: list[str]) -> dict[str, Any]:
    """The line in the SDK's words, of what `engine_arguments` has."""
    said = options(line)
    assert (said.rm, said.interactive) == (True, True)
    return {
        "image": said.image,
        "user": said.user,
        "group_add": said.group_add,
        "working_dir": said.workdir,
        "read_only": said.read_only,
        "cap_drop": said.cap_drop,
        "cap_add": said.cap_add,
        "security_opt": [security(option) for option in said.security_opt],
        "mem_limit": said.memory,
        "memswap_limit": said.memory_swap,
        "pids_limit": int(said.pids_limit),
        "nano_cpus": round(float(said.cpus) * 1e9),
        "shm_size": said.shm_size,
        "ulimits": [ulimit(option) for option in said.ulimit],
        "cpuset_cpus": said.cpuset_cpus,
        "cpuset_mems": said.cpuset_mems,
        "sysctls": dict(option.split("=", 1) for option in said.sysctl),
        "environment": said.env,
        "stop_signal": said.stop_signal,
        "tmpfs": dict(option.split(":", 1) for option in said.tmpfs),
        "devices": said.device,
        "network_mode": said.network,
        "ports": dict(map(published, said.publish)),
        "mounts": [mount(option) for option in said.mount],
    }


def security(option: str) -> str:
    """docker reads the file and sends its text, without white space."""
    key, _, value = option.partition("=")
    if key != "seccomp":
        return option
    return f"seccomp={json.dumps(json.loads(Path(value).read_text()), separators=(',', ':'))}"


def ulimit(option: str) -> dict[str, Any]:
    name, _, limits = option.partition("=")
    soft, hard = limits.split(":")
    return {"Name": name, "Soft": int(soft), "Hard": int(hard)}


def published(option: str) -> tuple[str, tuple[str, None]]:
    """The live suite takes a free port of the host, people the container's own: else the same."""
    address, host, container = option.rsplit(":", 2)
    assert host == container
    return f"{container}/tcp", (address.strip("[]"), None)


def mount(option: str) -> dict[str, Any]:
    fields = dict(item.partition("=")[::2] for item in option.split(","))
    return {
        "Type": fields["type"],
        "Source": fields["source"],
        "Target": fields["target"],
        "ReadOnly": "readonly" in fields,
    }


def mounts(contract: RunContract) -> Iterable[Mount]:
    for item in contract.state:
        yield Mount(source=Path(folder(item.path)), target=item.path, read_only=item.mode == "ro")


def variants() -> list[tuple[str, RunContract]]:
    full = contract_of("full-contract")
    return [
        *((name, contract_of(name)) for name in NAMES),
        ("full-contract", replace(full, network="none", interface="192.0.2.7", seccomp="")),
        (
            "full-contract",
            replace(full, groups=(), devices=(), capabilities=(), ulimits=(), tmpfs=(), state=()),
        ),
    ]


def without_gpu(line: dict[str, Any], contract: RunContract) -> dict[str, Any]:
    """People's line asks for the GPU; a container that is only verified gets none."""
    gpus = [
        f"{one.path}:{one.path}:{one.permissions}" for one in (contract.gpu.devices if contract.gpu else ())
    ]
    assert [device for device in line["devices"] if device in gpus] == gpus
    return {**line, "devices": [device for device in line["devices"] if device not in gpus]}


@pytest.mark.parametrize(("name", "wanted"), [("gpu", "all"), ("gpu-amd", None), ("python", None)])
def test_gpus_that_a_runtime_injects_are_asked_for_by_name(
    name: str, wanted: str | None, tmp_path: Path
) -> None:
    assert options(words(name, contract_of(name), tmp_path)).gpus == wanted


@pytest.mark.parametrize(("name", "contract"), variants())
def test_the_line_says_what_the_engine_is_told(name: str, contract: RunContract, tmp_path: Path) -> None:
    line = without_gpu(as_told(words(name, contract, tmp_path)), contract)
    told = engine_arguments(contract, tuple(mounts(contract)))
    assert set(line) == set(told)
    for field, value in told.items():
        assert line[field] == value, field


def test_the_full_contract_says_something_in_every_field() -> None:
    """Variables that are given at the start are a GPU's."""
    told = engine_arguments(contract_of("full-contract"))
    assert [field for field, value in told.items() if not value] == ["environment"]
    assert engine_arguments(contract_of("gpu"))["environment"] == [
        "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT=0=8G,1=512M",
        "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=25",
    ]


def test_what_may_be_passed_is_passed_by_name_where_it_is_set(tmp_path: Path) -> None:
    contract = contract_of("full-contract")
    line = words("full-contract", contract, tmp_path, NCCL_DEBUG="a b", LOG_LEVEL="", OTHER="x")
    assert options(line).env == ["LOG_LEVEL", "NCCL_DEBUG"]


def test_arguments_go_to_the_program(tmp_path: Path) -> None:
    line = words("awkward", contract_of("awkward"), tmp_path, "an argument", "--memory=9g")
    assert line[-3:] == ["temper/x:y", "an argument", "--memory=9g"]


def test_the_container_has_the_image_s_name(tmp_path: Path) -> None:
    assert options(words("awkward", contract_of("awkward"), tmp_path)).name == "awkward"
