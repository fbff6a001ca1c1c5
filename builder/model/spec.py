"""`images/<name>/image.yaml` as a type: what goes into an image and how it is started."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from builder.model.base import Strict


def as_tuple(value: Any) -> Any:
    """Strict pydantic takes no list for a tuple; YAML has only lists."""
    return tuple(value) if isinstance(value, list) else value


def normalised(path: str) -> str:
    """Refuses what would leave the place where a path seems to lead (the regex engine has no look-ahead)."""
    if any(part in {".", ".."} for part in path.split("/")):
        raise ValueError(f"'{path}' holds '.' or '..'; write where it leads")
    return path


Strings = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
AbsolutePath = Annotated[str, Field(pattern=r"^/([^/\x00]+(/[^/\x00]+)*)?$"), AfterValidator(normalised)]
"""An absolute, normalised path inside the image, `/` or no trailing slash."""
Size = Annotated[str, Field(pattern=r"^[1-9][0-9]*[kmg]$")]
"""A size in bytes with a unit: `64m`, `2g` (powers of 1024, as Docker reads them)."""
Seconds = Annotated[int, Field(gt=0, le=3600)]
VariantName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]

SecretFile = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$")]
"""A key of a Secret of Kubernetes, and no way up."""
Distribution = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]
"""A project of the package index, by name alone."""

Platform = Literal["linux/amd64", "linux/arm64"]
PLATFORMS: tuple[Platform, ...] = ("linux/amd64", "linux/arm64")


class PythonSpec(Strict):
    version: Annotated[str, Field(pattern=r"^3\.[0-9]+$")]
    """Major and minor, quoted in YAML: `"3.13"`."""
    requirements: Strings = ()
    """PEP 508 requirements, resolved and hash-locked for the image's Python and platform, wheels only."""
    without: Annotated[tuple[Distribution, ...], BeforeValidator(as_tuple)] = ()
    """Projects that don't come along, by name, though a requirement asks for them: what the program does
    without, or what has no sound wheel."""
    bytecode: bool = False
    """Brings every module's byte code along: starts are faster, the image is larger. Compiled in a sandbox by
    the image's own Python; the bytes depend on the sources and that Python alone."""


class FileSpec(Strict):
    source: str
    """Relative to the folder of image.yaml; a folder's contents land below `target`. What several images
    bring stands in one of them, and the others name it `../<image>/<path>`."""
    target: AbsolutePath
    executable: bool = False
    """Regular files get mode 0755 instead of 0644."""

    def home(self, folder: Path) -> Path | None:
        """The image's folder that `source` is in and may not leave; `None` where it names no place in one.

        `folder` is that of image.yaml.
        """
        parts = Path(self.source).parts
        beside = parts[:1] == ("..",) and len(parts) > 2
        if Path(self.source).is_absolute() or ".." in (parts[1:] if beside else parts):
            return None
        return folder.parent / parts[1] if beside else folder


class Healthcheck(Strict):
    command: Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    interval: Seconds = 30
    timeout: Seconds = 5
    start_period: Seconds = 5
    retries: Annotated[int, Field(ge=1, le=20)] = 3


class Writable(Strict):
    """Scratch space: a tmpfs at run time, empty at every start."""

    path: AbsolutePath
    size: Size = "64m"
    exec: bool = False
    """Programs and libraries may be mapped from it (JIT caches need that)."""


class State(Strict):
    """A volume that the person who runs the image brings."""

    path: AbsolutePath
    mode: Literal["ro", "rw"] = "ro"
    secret: Annotated[tuple[SecretFile, ...], BeforeValidator(as_tuple)] = ()
    """Names of the files in it, where each is a secret: Kubernetes and Podman bring it as one."""


GpuCapability = Literal["compute", "utility", "graphics", "video", "display", "ngx", "compat32"]


class GpuSpec(Strict):
    """A GPU that the program computes on. Its driver comes from the host when the container starts."""

    vendor: Literal["nvidia", "amd", "intel"]
    cuda: Annotated[str, Field(pattern=r"^1[23]$")] | None = None
    """Major version of the CUDA libraries that the image brings, quoted in YAML: `"13"`; NVIDIA only."""
    capabilities: Annotated[tuple[GpuCapability, ...], BeforeValidator(as_tuple), Field(min_length=1)] = (
        "compute",
        "utility",
    )
    """Parts of NVIDIA's driver that the program uses."""
    memory_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of a GPU's memory that one process of PyTorch, JAX or CuPy takes at most."""
    shm: Size | None = None
    """Of `/dev/shm`, by which data loaders and NCCL talk; what a profile says wins."""
    rdma: bool = False
    """Talks to other machines by RDMA: brings its user space, its devices and memory that may be locked."""
    required: bool = False
    """The program ends where there is no GPU. A container that is verified has none: that it ends there is no
    failure then, and what its tests say of the running program is not run."""


class Needs(Strict):
    """What the program can't do with less of. A profile's `run:` wins: it says what the platform grants."""

    memory: Size | None = None
    """Memory and swap together."""
    pids: Annotated[int, Field(ge=1)] | None = None
    """Processes and threads."""
    cpus: Annotated[float, Field(gt=0)] | None = None


def command_form(value: Any) -> Any:
    return {"command": value} if isinstance(value, list) else value


class ImageSpec(Strict):
    description: str
    base: str
    """`debian/trixie` or `debian/bookworm`."""
    packages: Strings = ()
    python: PythonSpec | None = None
    files: Annotated[tuple[FileSpec, ...], BeforeValidator(as_tuple)] = ()
    certificates: Strings = ()
    """PEM files, relative to image.yaml, added to the CA bundle."""
    entrypoint: Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(min_length=1)]
    cmd: Strings = ()
    workdir: AbsolutePath = "/"
    env: dict[EnvName, str] = {}
    labels: dict[str, str] = {}
    ports: Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], BeforeValidator(as_tuple)] = ()
    healthcheck: Annotated[Healthcheck | None, BeforeValidator(command_form)] = None
    writable: Annotated[tuple[Writable, ...], BeforeValidator(as_tuple)] = ()
    state: Annotated[tuple[State, ...], BeforeValidator(as_tuple)] = ()
    gpu: GpuSpec | None = None
    """The GPU that the program needs; none by default."""
    needs: Needs = Needs()
    """More memory, processes or processors than the defaults."""
    jit: bool = False
    """The program compiles while it runs (torch.compile, Triton): brings a C++ compiler and Python's headers,
    and keeps the headers and ptxas of torch's and Triton's wheels."""
    seccomp: str | None = None
    """A seccomp profile fitted to the program, relative to image.yaml; the engine's default one without."""
    stop_signal: Annotated[str, Field(pattern=r"^SIG[A-Z0-9]+$")] = "SIGTERM"
    platforms: Annotated[tuple[Platform, ...], BeforeValidator(as_tuple), Field(min_length=1)] = PLATFORMS
    variants: dict[VariantName, dict[str, Any]] = {}
    """Images of their own that share this folder: name -> what differs. Variant `jit` of image `torch` is the
    image `torch-jit`. Mappings are merged key by key; lists and single values are replaced."""
