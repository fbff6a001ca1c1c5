"""The run contract: how the image must be started, whatever the engine."""

from dataclasses import dataclass, replace

from builder.errors import InputError
from builder.model.profile import Device, Ulimit
from builder.model.scheduling import ANY, Mps
from builder.model.spec import State, Writable

SHARED = frozenset({"/tmp", "/var/tmp"})  # noqa: S108 - names of mount points, nothing is written there
"""Scratch space that any uid may use, as programs expect of it; the rest belongs to the image's user."""
NO_LIMITS = Mps()


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuAccess:
    """Which GPUs the container gets, and how. All of the host's; who has several narrows it at the start."""

    vendor: str
    resource: str
    """What a pod asks a device plugin for, one of it: `nvidia.com/gpu`."""
    cdi: str = ""
    """Where the vendor's runtime injects: the name of the CDI device, `nvidia.com/gpu=all`."""
    nodes: tuple[Device, ...] = ()
    """Where none does: what is handed on."""
    rdma: tuple[Device, ...] = ()

    def with_rdma(self, nodes: tuple[Device, ...]) -> "GpuAccess":
        return replace(self, rdma=nodes)

    @property
    def devices(self) -> tuple[Device, ...]:
        return (*self.nodes, *self.rdma)

    @property
    def words(self) -> frozenset[str]:
        """What the files of the engines call it: a device, a resource, `--gpus all`, a reservation."""
        injected = {self.cdi, "all", f"{self.vendor}=all"} if self.cdi else set()
        return frozenset({self.resource, *injected, *(device.path for device in self.devices)})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContract:
    """Read-only root, all capabilities dropped, no new privileges, no swap and a seccomp profile are always
    part of it; only the rest varies. docs/run-contract.md tells how each engine spells each field."""

    image: str
    """What to run: `temper/python:hardened`."""
    name: str
    """A DNS label for containers, services and pods: `python`."""
    user: str
    """`65532:65532`."""
    groups: tuple[int, ...] = ()
    """Supplementary groups."""
    any_user: bool = False
    """It works under any uid in group 0, and the cluster chooses one: OpenShift refuses a pod that names its
    own. Where nobody chooses, the image's own user holds."""
    workdir: str
    env: tuple[tuple[str, str], ...]
    """Not repeated on the command line: they stand in the image."""
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    ports: tuple[int, ...]
    """Where the program listens."""
    interface: str = "127.0.0.1"
    """The host's address that they are published on."""
    network: str = "default"
    """`default` (the engine's own), `none`, or the name of one that somebody made."""
    tmpfs: tuple[Writable, ...]
    state: tuple[State, ...]
    devices: tuple[Device, ...] = ()
    gpu: GpuAccess | None = None
    """Not given to containers that are only verified: their machine may have none."""
    capabilities: tuple[str, ...] = ()
    """What returns after all were dropped."""
    seccomp: str = ""
    """A seccomp profile, as JSON text; empty for the engine's default one."""
    memory: str
    """`512m`"""
    pids: int
    cpus: float
    shm: str
    ulimits: tuple[tuple[str, Ulimit], ...] = ()
    """By name, sorted."""
    cpuset_cpus: str = ANY
    """`0-3,8`, or `all`."""
    cpuset_mems: str = ANY
    sysctls: tuple[tuple[str, str], ...] = ()
    """By name, sorted."""
    pass_env: tuple[str, ...] = ()
    """Variables whose values come from whoever starts it; unset where he has none."""
    mps: Mps = NO_LIMITS
    stop_signal: str

    @property
    def given(self) -> tuple[tuple[str, str], ...]:
        """Variables that are set at the start, and not by the image."""
        shares = self.gpu is not None and self.gpu.vendor == "nvidia"
        return tuple(self.mps.variables.items()) if shares else ()

    @property
    def published(self) -> tuple[int, ...]:
        """Without a network nothing can be reached."""
        return () if self.network == "none" else self.ports


def user_and_group(contract: RunContract) -> tuple[int, int]:
    """Raises `InputError` for a user by name: the numbers are needed for what is mounted."""
    uid, _, gid = contract.user.partition(":")
    if not uid.isdecimal() or not (gid or uid).isdecimal():
        raise InputError(f"user '{contract.user}': is not in digits; write it as uid:gid")
    return int(uid), int(gid or uid)


def tmpfs_options(contract: RunContract, scratch: Writable) -> str:
    """What engines take after `PATH:`; no setuid programs, no devices, no programs unless asked for.

    With the user's ids: runc gives a tmpfs the owner and mode of the folder that it covers otherwise.
    """
    uid, gid = user_and_group(contract)
    return f"{_plain_options(scratch)},uid={uid},gid={gid},mode={_mode(scratch)}"


def podman_tmpfs_options(scratch: Writable) -> str:
    """Podman knows neither `uid=` nor `gid=`; its `U` is the container's user and group. `notmpcopyup`: the
    image's files at this place would be copied into it otherwise."""
    return f"{_plain_options(scratch)},mode={_mode(scratch)},notmpcopyup,U"


def _plain_options(scratch: Writable) -> str:
    return f"rw,nosuid,nodev,{'exec' if scratch.exec else 'noexec'},size={scratch.size}"


def _mode(scratch: Writable) -> str:
    return "1777" if scratch.path in SHARED else "0700"
