"""What the probe saw from inside of a container."""

from pydantic import BaseModel, ConfigDict, ValidationError

from builder.errors import ToolError

NOT_SUPPORTED = 801
"""cudaErrorNotSupported: the stub's answer, known from any that a driver gives for a wiring fault."""


class ProbeError(ToolError):
    """The probe started and did not end well: something of the image, not of this machine."""


class _Told(BaseModel):
    """Strict, as everything that is read back."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Library(_Told):
    path: str
    """The file that is mapped, links followed; empty where none is."""
    error: str
    """The loader's own words where it found none."""
    mounted: bool | None
    """Something is mounted at that path: it is not the image's own. `None` where nobody can tell."""
    stub: bool
    """It carries the mark of Temper's stand-in."""
    init: int
    """Code of cuInit or nvmlInit; -1 where there is none to call."""
    count: int
    uuids: tuple[str, ...]


class Driver(Library):
    version: int
    """The newest CUDA that it knows: 13050 for 13.5."""


class Runtime(_Told):
    path: str
    error: str
    version: int
    driver: int
    """The driver's version as the runtime sees it; 0 where it reached none."""
    code: int
    """Of cudaGetDeviceCount."""
    count: int


class Kernel(_Told):
    gpu: int
    step: str
    """The call that failed; empty where none did."""
    code: int
    wrong: int
    """Numbers that are not the CPU's."""
    of: int


class Seen(_Told):
    uid: int
    gid: int
    groups: tuple[int, ...]
    memlock: int
    """Bytes that may be locked; -1 for no limit."""
    shm: int
    """Bytes of /dev/shm; 0 where there is none."""
    variables: dict[str, str]
    nodes: dict[str, str]
    """Node -> `ok`, or the name of the errno with which opening it ended."""
    gpus: tuple[str, ...]
    """NVIDIA's GPUs that have a node in /dev, asked for or not."""
    mounts: tuple[str, ...]
    """Where files of the driver are mounted."""
    cuda: Driver
    nvml: Library
    runtimes: tuple[Runtime, ...]
    kernels: tuple[Kernel, ...] = ()


def read(output: str) -> Seen:
    """Raises `ProbeError` where the probe said something else than what it saw."""
    line = next((line for line in output.splitlines() if line.startswith("{")), "")
    try:
        return Seen.model_validate_json(line)
    except ValidationError:
        said = output.strip().replace("\n", "; ") or "it said nothing"
        raise ProbeError(f"the GPU probe broke off: {said}") from None


def as_version(number: int) -> str:
    """13050 -> `13.5`"""
    return f"{number // 1000}.{number % 1000 // 10}"
