"""The Podman quadlet against the contract, and against the keys that Podman documents."""

import json
import re
import shlex
from dataclasses import replace

import pytest

from builder.errors import InputError
from builder.model.contract import RunContract
from builder.model.profile import Device
from builder.render.definition import run_files
from builder.render.mounts import state_mounts
from builder.render.quoting import health_command, quadlet_value, socket_address
from tests.golden import IMAGES, image_of, plan_of
from tests.unit.render.contracts import NAMES, contract_of

KEYS = {
    "Unit": {"Description", "StartLimitIntervalSec", "StartLimitBurst"},
    "Container": {
        *("AddCapability", "AddDevice", "ContainerName", "DropCapability", "Group", "GroupAdd", "HealthCmd"),
        *("HealthInterval", "HealthRetries", "HealthStartPeriod", "HealthTimeout", "Image", "Network"),
        *("NoNewPrivileges", "PidsLimit", "PodmanArgs", "PublishPort", "ReadOnly", "ReadOnlyTmpfs"),
        *("SeccompProfile", "ShmSize", "StopSignal", "Tmpfs", "Ulimit", "User", "Volume", "WorkingDir"),
        *("Environment", "Secret", "Sysctl"),
    },
    "Service": {"Restart", "PassEnvironment"},
    "Install": {"WantedBy"},
}
"""systemd.unit(5), systemd.service(5); podman-systemd.unit(5), "Container units [Container]", of Podman 5.2
(the release that brought StopSignal=; `Memory=` is of 5.5, so memory stands in PodmanArgs=)."""
MANY = {
    *("AddCapability", "AddDevice", "DropCapability", "GroupAdd", "PodmanArgs", "PublishPort", "Tmpfs"),
    *("Ulimit", "Volume", "Environment", "Secret", "Sysctl"),
}
"""Those that may stand there several times."""
TMPFS = {"rw", "nosuid", "nodev", "noexec", "exec", "size", "mode", "notmpcopyup", "U"}
"""podman-run(1), --tmpfs and --mount. There is neither `uid` nor `gid`: Podman refuses them."""


def unit(name: str, contract: RunContract) -> dict[str, list[tuple[str, str]]]:
    """Sections -> keys with their values, in order."""
    texts = {file.path: file.text for file in run_files(image_of(plan_of(name, IMAGES[name])), contract)}
    sections: dict[str, list[tuple[str, str]]] = {}
    for line in texts[f"run/{contract.name}.container"].splitlines():
        if head := re.fullmatch(r"\[(\w+)\]", line):
            current = sections.setdefault(head[1], [])
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, line
            current.append((key, value))
    return sections


def values(name: str, key: str, contract: RunContract | None = None) -> list[str]:
    """As systemd hands them to Podman in the end."""
    found = unit(name, contract or contract_of(name))["Container"]
    return [value.replace("%%", "%").replace("$$", "$") for said, value in found if said == key]


@pytest.mark.parametrize("name", NAMES)
def test_every_key_is_documented_and_said_once(name: str) -> None:
    sections = unit(name, contract_of(name))
    assert set(sections) == set(KEYS)
    for section, pairs in sections.items():
        said = [key for key, _ in pairs]
        assert set(said) <= KEYS[section]
        assert sorted(key for key in said if key not in MANY) == sorted(set(said) - MANY)


def handed(item: Device) -> str:
    return f"{item.path}:{item.path}:{item.permissions}"


@pytest.mark.parametrize("name", NAMES)
def test_the_unit_is_the_contract(name: str) -> None:
    contract = contract_of(name)
    devices = (*contract.devices, *(contract.gpu.devices if contract.gpu else ()))
    injected = ["nvidia.com/gpu=all"] if contract.gpu and contract.gpu.cdi else []
    wanted = {
        "Image": [contract.image],
        "ContainerName": [contract.name],
        "User": ["65532"],
        "Group": ["65532"],
        "GroupAdd": [str(group) for group in contract.groups],
        "WorkingDir": [contract.workdir],
        "ReadOnly": ["true"],
        "ReadOnlyTmpfs": ["false"],
        "DropCapability": ["all"],
        "AddCapability": list(contract.capabilities),
        "NoNewPrivileges": ["true"],
        "AddDevice": [*map(handed, devices), *injected],
        "Network": [] if contract.network == "default" else [contract.network],
        "PublishPort": [f"{socket_address(contract.interface)}:{port}:{port}" for port in contract.ports],
        "PidsLimit": [str(contract.pids)],
        "ShmSize": [contract.shm],
        "Ulimit": [f"{name}={limit.soft}:{limit.hard}" for name, limit in contract.ulimits],
        "Sysctl": [f'"{key}={value}"' for key, value in contract.sysctls],
        "Environment": [f"{key}={value}" for key, value in contract.given],
        "StopSignal": [contract.stop_signal],
    }
    assert {key: values(name, key) for key in wanted} == wanted


@pytest.mark.parametrize("name", NAMES)
def test_what_has_no_key_is_said_in_podman_s_own_options(name: str) -> None:
    contract = contract_of(name)
    arguments, *further = values(name, "PodmanArgs")
    placed = [f"--cpuset-cpus={contract.cpuset_cpus}", f"--cpuset-mems={contract.cpuset_mems}"]
    passed = [f"--env={variable}" for variable in contract.pass_env]
    wanted = [*(word for word in placed if not word.endswith("=all")), *passed]
    assert [word for line in further for word in shlex.split(line)] == wanted
    assert shlex.split(arguments) == [
        f"--memory={contract.memory}",
        f"--memory-swap={contract.memory}",
        f"--cpus={contract.cpus}",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_scratch_space_belongs_to_the_user_and_runs_nothing_unless_asked(name: str) -> None:
    contract = contract_of(name)
    for item, value in zip(contract.tmpfs, values(name, "Tmpfs"), strict=True):
        path, _, text = value.partition(":")
        options = dict(option.partition("=")[::2] for option in text.split(","))
        assert path == item.path
        assert set(options) <= TMPFS
        assert {"nosuid", "nodev", "exec" if item.exec else "noexec", "U"} <= set(options)
        assert options["size"] == item.size
        assert options["mode"] == ("1777" if item.path == "/tmp" else "0700")


@pytest.mark.parametrize("name", NAMES)
def test_state_is_a_volume_of_its_own(name: str) -> None:
    contract = contract_of(name)
    assert values(name, "Volume") == [
        f"{contract.name}-{mount.label}:{mount.path}:{'ro' if mount.read_only else 'rw'}"
        for mount in state_mounts(contract)
        if not mount.secret
    ]


def test_secrets_are_podman_s_own_and_only_the_user_reads_them() -> None:
    options = "uid=65532,gid=65532,mode=0400"
    assert values("full-contract", "Secret") == [
        f"full-contract-run-secrets-tls-{file},type=mount,target=/run/secrets/tls/{file},{options}"
        for file in ("tls.crt", "tls.key")
    ]


def test_the_unit_gets_what_it_passes_on() -> None:
    found = dict(unit("full-contract", contract_of("full-contract"))["Service"])
    assert found["PassEnvironment"] == "OMP_NUM_THREADS LOG_LEVEL NCCL_DEBUG"


def test_the_seccomp_profile_lies_beside_the_unit() -> None:
    """%E is /etc for the system and ~/.config for a user (systemd.unit(5), Specifiers)."""
    found = dict(unit("full-contract", contract_of("full-contract"))["Container"])
    assert found["SeccompProfile"] == "%E/containers/systemd/full-contract.seccomp.json"
    assert values("python", "SeccompProfile") == []


def test_without_a_network_no_port_is_published() -> None:
    contract = replace(contract_of("full-contract"), network="none")
    assert values("full-contract", "Network", contract) == ["none"]
    assert values("full-contract", "PublishPort", contract) == []


def test_health_is_checked_by_the_image_s_own_command() -> None:
    (command,) = values("awkward", "HealthCmd")
    assert json.loads(command) == ["/bin/check", "a b", "$PATH"]
    assert values("awkward", "HealthInterval") == ["10s"]
    assert values("own-template", "HealthCmd") == []


def test_a_command_of_one_word_is_no_line_of_a_shell() -> None:
    assert health_command(("/bin/check",)) == "CMD /bin/check"


def test_it_is_started_again_but_not_for_ever() -> None:
    sections = unit("python", contract_of("python"))
    assert sections["Service"] == [("Restart", "on-failure")]
    assert ("StartLimitBurst", "5") in sections["Unit"]


def test_systemd_expands_nothing() -> None:
    assert quadlet_value("100% of $HOME") == "100%% of $$HOME"


@pytest.mark.parametrize("value", ["a\nExec=/bin/sh", "a\\"])
def test_a_value_that_goes_on_is_refused(value: str) -> None:
    with pytest.raises(InputError) as caught:
        quadlet_value(value)
    assert str(caught.value) == (
        f"{value!r}: can't stand in a unit file; write it on one line, with no '\\' at its end"
    )
