"""How a run contract is told to an engine, and a container that was started by it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builder.errors import EngineError
from builder.image.engine_session import ExecSession, open_session
from builder.model.contract import RunContract, tmpfs_options
from builder.model.injection import NOTHING, Injection
from builder.model.scheduling import ANY
from builder.model.spec import State
from builder.model.trial import Mount, Trial

if TYPE_CHECKING:
    from docker import APIClient


__all__ = ["Container", "Executed", "Mount", "Told", "engine_arguments", "trial_arguments"]

Told = Callable[[str], AbstractContextManager[None]]
TRIAL_MEMORY = "2g"
TRIAL_PIDS = 512
"""Enough for any command that tests an image, and little enough for this machine to go on working."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    code: int
    stdout: bytes
    stderr: bytes


def engine_arguments(
    contract: RunContract, mounts: Sequence[Mount] = (), injection: Injection = NOTHING
) -> dict[str, Any]:
    """The contract as keyword arguments of the SDK's `containers.create`; nothing more and nothing less.

    Ports are published on free ports of the contract's interface, as the container's own may be taken. State
    that no mount covers is empty, and goes with the container. Of the variables that may be passed none is.
    """
    mounts = (*mounts, *injection.mounts)
    covered = {mount.target for mount in mounts}
    return {
        "image": contract.image,
        "user": contract.user,
        "group_add": [str(group) for group in (*contract.groups, *injection.groups)],
        "working_dir": contract.workdir,
        "read_only": True,
        "cap_drop": ["ALL"],
        "cap_add": list(contract.capabilities),
        "security_opt": _security(contract),
        "mem_limit": contract.memory,
        "memswap_limit": contract.memory,
        "pids_limit": contract.pids,
        "nano_cpus": round(contract.cpus * 1_000_000_000),
        "shm_size": contract.shm,
        "ulimits": [
            {"Name": name, "Soft": limit.soft, "Hard": limit.hard} for name, limit in contract.ulimits
        ],
        "cpuset_cpus": None if contract.cpuset_cpus == ANY else contract.cpuset_cpus,
        "cpuset_mems": None if contract.cpuset_mems == ANY else contract.cpuset_mems,
        "sysctls": dict(contract.sysctls),
        "environment": [f"{name}={value}" for name, value in (*contract.given, *injection.env)],
        "stop_signal": contract.stop_signal,
        "tmpfs": {item.path: tmpfs_options(contract, item) for item in contract.tmpfs},
        "devices": [
            *(f"{item.path}:{item.path}:{item.permissions}" for item in contract.devices),
            *(f"{node.host}:{node.path}:{node.permissions}" for node in injection.nodes),
        ],
        "network_mode": contract.network,
        "ports": {f"{port}/tcp": (contract.interface, None) for port in contract.published},
        "mounts": [_bind(mount) for mount in mounts]
        + [_empty(item) for item in contract.state if item.path not in covered],
        **_asked(injection),
    }


def _asked(injection: Injection) -> dict[str, Any]:
    """Only what is there: engines refuse an option that they don't know even where it is empty."""
    requests: list[dict[str, Any]] = []
    if injection.cdi:
        requests.append({"driver": "cdi", "device_ids": list(injection.cdi)})
    if injection.gpus == ("all",):
        requests.append({"count": -1, "capabilities": [["gpu"]]})
    elif injection.gpus:
        requests.append({"device_ids": list(injection.gpus), "capabilities": [["gpu"]]})
    return {"device_requests": requests} if requests else {}


def trial_arguments(trial: Trial, mounts: Sequence[Mount] = ()) -> dict[str, Any]:
    """The same of an image that has no contract; the container's files are writable, and go with it."""
    return {
        "image": trial.image,
        "user": trial.user or None,
        "environment": dict(trial.env),
        "cap_add": list(trial.capabilities),
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": TRIAL_MEMORY,
        "memswap_limit": TRIAL_MEMORY,
        "pids_limit": TRIAL_PIDS,
        "healthcheck": {"test": ["NONE"]},
        "mounts": [_bind(mount) for mount in (*trial.mounts, *mounts)],
    }


def _security(contract: RunContract) -> list[str]:
    """The engine's default seccomp profile needs no word. Another one is told by its text, not its path."""
    own = [f"seccomp={contract.seccomp}"] if contract.seccomp else []
    return ["no-new-privileges:true", *own]


def _bind(mount: Mount) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": str(mount.source.absolute()),
        "Target": mount.target,
        "ReadOnly": mount.read_only,
    }


def _empty(item: State) -> dict[str, Any]:
    """An anonymous volume can't be read-only (Engine API 1.41), so there it is a tmpfs."""
    if item.mode == "ro":
        return {"Type": "tmpfs", "Target": item.path, "ReadOnly": True}
    return {"Type": "volume", "Target": item.path, "ReadOnly": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Every method raises `EngineError` where the engine refuses or is gone."""

    id: str
    name: str
    api: "APIClient"
    told: Told
    """Turns the SDK's errors into ours."""

    def inspect(self) -> dict[str, Any]:
        """The engine's answer, by its own names (`State`, `HostConfig`, ...)."""
        with self.told(f"inspecting '{self.name}'"):
            answer: dict[str, Any] = self.api.inspect_container(self.id)
        return answer

    def exec(
        self, argv: Sequence[str], environment: Mapping[str, str] | None = None, user: str | None = None
    ) -> Executed:
        """Runs a program in the container to its end. One that isn't there gives code 126 or 127."""
        with self.told(f"running '{argv[0]}' in '{self.name}'"):
            made = self.api.exec_create(
                self.id, list(argv), environment=dict(environment or {}), user=user or ""
            )
            stdout, stderr = self.api.exec_start(made["Id"], demux=True)
            code = self.api.exec_inspect(made["Id"])["ExitCode"]
        return Executed(code=code, stdout=stdout or b"", stderr=stderr or b"")

    def open_session(
        self, argv: Sequence[str], environment: Mapping[str, str], user: str | None
    ) -> ExecSession:
        with self.told(f"opening a session in '{self.name}'"):
            return open_session(self.api, self.id, argv, environment, user)

    def stop(self, seconds: int) -> None:
        """By its stop signal; killed where it hasn't ended after so many seconds."""
        with self.told(f"stopping '{self.name}'"):
            self.api.stop(self.id, timeout=seconds)

    def logs(self) -> bytes:
        """Everything that it wrote so far, stdout and stderr together."""
        with self.told(f"reading the log of '{self.name}'"):
            text: bytes = self.api.logs(self.id)
        return text

    def changes(self) -> tuple[str, ...]:
        """Paths that were made, changed or removed on the image's files; not what lies in mounts."""
        with self.told(f"comparing '{self.name}' with its image"):
            return tuple(change["Path"] for change in self.api.diff(self.id) or ())

    def wait(self, seconds: int) -> int:
        """Its exit code, once it ends. Raises `EngineError` where it doesn't within `seconds`."""
        import requests  # noqa: PLC0415 - slow, and here with the SDK only

        with self.told(f"waiting for '{self.name}' to end"):
            try:
                return int(self.api.wait(self.id, timeout=seconds)["StatusCode"])
            except requests.RequestException:
                if self.inspect()["State"]["Running"]:
                    raise EngineError(f"'{self.name}' did not end within {seconds} s") from None
                raise

    def port(self, port: int) -> int:
        """Where a port of the contract is reached on the contract's interface of the host."""
        bindings = self.inspect()["NetworkSettings"]["Ports"].get(f"{port}/tcp")
        if not bindings:
            raise EngineError(f"'{self.name}': port {port} is not published; is the container still running?")
        return int(bindings[0]["HostPort"])
