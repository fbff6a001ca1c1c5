"""`profiles/<name>.yaml` as a type: which controls hold, with which parameters, and how the image is run."""

import datetime
import ipaddress
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from builder.model.base import Strict
from builder.model.scan import ScanSettings
from builder.model.scheduling import ANY, CpuSet, Mps, PassedName, SysctlName, SysctlValue
from builder.model.spec import AbsolutePath, Size, Strings, as_tuple


def as_date(value: Any) -> Any:
    """Quoted dates are strings in YAML; strict pydantic wants a `date`."""
    try:
        return datetime.date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"'{value}' is not a date; write year-month-day, such as 2027-03-31") from None


class Waiver(Strict):
    """A failing control that somebody answers for until a date; shown in every report."""

    control: str
    reason: Annotated[str, Field(min_length=1)]
    expires: Annotated[datetime.date, BeforeValidator(as_date)]


class Off(Strict):
    """A control of the parent profile that is switched off, and why."""

    off: Annotated[str, Field(min_length=1)]


def both_limits(value: Any) -> Any:
    """`nofile: 1024` is short for the same soft and hard limit."""
    if isinstance(value, dict | Ulimit):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < -1:
        raise ValueError(f"'{value}' is no limit; write a number, -1 for none, or {{soft: 1, hard: 2}}")
    return {"soft": value, "hard": value}


class Ulimit(Strict):
    """A limit of the kernel for each process (setrlimit(2)), in the limit's own unit; -1 is without limit."""

    soft: Annotated[int, Field(ge=-1)]
    hard: Annotated[int, Field(ge=-1)]

    @model_validator(mode="after")
    def _soft_below_hard(self) -> "Ulimit":
        if self.hard != -1 and (self.soft == -1 or self.soft > self.hard):
            raise ValueError(
                f"soft {self.soft} is above hard {self.hard}; write a soft limit up to the hard one"
            )
        return self


Limit = Annotated[Ulimit, BeforeValidator(both_limits, json_schema_input_type=int | Ulimit)]
UlimitName = Literal[
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
    "rtprio", "rttime", "sigpending", "stack",
]  # fmt: skip


def in_dev(path: str) -> str:
    if not path.startswith("/dev/"):
        raise ValueError(f"'{path}' is no device; write a path below '/dev'")
    return path


class Device(Strict):
    """A device of the host that the container may use, at the same path."""

    path: Annotated[AbsolutePath, AfterValidator(in_dev)]
    permissions: Literal["r", "w", "rw"] = "rw"


def as_devices(value: Any) -> Any:
    """`/dev/fuse` is short for `{path: /dev/fuse}`."""
    found = as_tuple(value)
    if not isinstance(found, tuple):
        return found
    return tuple({"path": item} if isinstance(item, str) else item for item in found)


Devices = Annotated[
    tuple[Device, ...], BeforeValidator(as_devices, json_schema_input_type=list[str | Device])
]


def may_return(name: Any) -> Any:
    if name != "NET_BIND_SERVICE":
        raise ValueError(f"'{name}' may not return, only 'NET_BIND_SERVICE'; remove it")
    return name


Capability = Annotated[Literal["NET_BIND_SERVICE"], BeforeValidator(may_return)]
"""Pod Security Standards, restricted: drop ALL, add NET_BIND_SERVICE at most."""

SHARED_NETWORKS = {"bridge", "container", "host", "pasta", "private", "slirp4netns"}
"""Words by which engines mean their own networks."""


def named_network(name: str) -> str:
    if name in SHARED_NETWORKS:
        choice = "write the name of a network of your own, 'none', or 'default' for the engine's"
        raise ValueError(f"'{name}' is an engine's own word; {choice}")
    return name


def as_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"'{text}' is no IP address; write one of the host's, such as '127.0.0.1'") from None


class RunSettings(Strict):
    """What the profile says of the run contract; `None` means: what the parent profile says."""

    memory: Size | None = None
    """Memory and swap together."""
    pids: Annotated[int, Field(ge=1)] | None = None
    cpus: Annotated[float, Field(gt=0)] | None = None
    shm: Size | None = None
    """Of `/dev/shm`."""
    ulimits: dict[UlimitName, Limit] | None = None
    """Limits of each process: `nofile: 1024`, or `nofile: {soft: 1024, hard: 4096}`."""
    groups: Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(as_tuple)] | None = None
    """Supplementary groups of the user, by number: those of a shared volume or device."""
    capabilities: Annotated[tuple[Capability, ...], BeforeValidator(as_tuple)] | None = None
    """What returns after all were dropped."""
    devices: Devices | None = None
    """Of the host; none by default."""
    network: (
        Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"), AfterValidator(named_network)] | None
    ) = None
    """A user-defined network by name, `none`, or `default` for the engine's own."""
    interface: Annotated[str, AfterValidator(as_address)] | None = None
    """The host's address that ports are published on."""
    cpuset_cpus: CpuSet | None = None
    """Processors of the host that it runs on: `0-3,8`; `all` by default."""
    cpuset_mems: CpuSet | None = None
    """NUMA nodes whose memory it takes: `0`; `all` by default."""
    sysctls: dict[SysctlName, SysctlValue] | None = None
    """Kernel parameters of the container alone: `net.core.somaxconn: 4096`."""
    pass_env: Annotated[tuple[PassedName, ...], BeforeValidator(as_tuple)] | None = None
    """Variables whose values come from whoever starts the container: `[NCCL_DEBUG]`."""
    mps: Mps | None = None
    """Limits on a shared GPU of NVIDIA; other images are not told of them."""


DEFAULTS = RunSettings(
    memory="512m",
    pids=128,
    cpus=1.0,
    shm="64m",
    # an engine without CAP_SYS_RESOURCE can't grant more files than it has itself, and starts nothing then
    ulimits={"core": Ulimit(soft=0, hard=0), "nofile": Ulimit(soft=4096, hard=4096)},
    groups=(),
    capabilities=(),
    devices=(),
    network="default",
    interface="127.0.0.1",
    cpuset_cpus=ANY,
    cpuset_mems=ANY,
    sysctls={},
    pass_env=(),
    mps=Mps(),
)
"""Where no profile says anything. No core dumps: they hold whatever the memory held."""


class Profile(Strict):
    title: str
    description: str = ""
    extends: str | None = None
    packages: Strings = ()
    """Packages that this profile adds to every image (a shell for debugging, say)."""
    controls: dict[str, Any] = {}
    """Control key -> `true`, a mapping of parameters, or `{off: reason}`; checked against the catalogue."""
    run: RunSettings = RunSettings()
    scan: ScanSettings = ScanSettings()
    waivers: Annotated[tuple[Waiver, ...], BeforeValidator(as_tuple)] = ()
