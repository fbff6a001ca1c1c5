"""What the probe saw against what was meant to be there: each way in which wiring goes wrong, by a name.

Sources: CUDA driver and runtime API (error codes), NVIDIA Container Toolkit (what hooks do), open(2). Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from posixpath import basename, dirname

from builder.gpu.seen import NOT_SUPPORTED, Driver, Kernel, Library, Runtime, Seen, as_version
from builder.gpu.texts import TEXTS
from builder.model.gpu import MINIMUM_DRIVER
from builder.rootfs.closure import TRIPLETS

LIBCUDA, LIBNVML = "libcuda.so.1", "libnvidia-ml.so.1"
DEFAULT_FOLDERS = frozenset(
    ["/lib", "/usr/lib", "/lib64", "/usr/lib64"]
    + [f"{top}/{triplet}" for top in ("/lib", "/usr/lib") for triplet in TRIPLETS.values()]
)
"""Where ld.so looks without a cache."""
WITHOUT_HARDWARE = ("ENXIO", "ENODEV")
"""The node is right, and no driver of this kernel answers for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    name: str
    text: str
    """What is wrong; what to do."""

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


def found(name: str, **values: object) -> Found:
    return Found(name=name, text=TEXTS[name].format(**values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    nodes: tuple[str, ...]
    """That the container is to have."""
    uuids: tuple[str, ...] = ()
    """Of the GPUs that it is to see, and no others."""
    stub: bool = False
    """A rehearsal: the stub is meant to be there, and hardware is not."""
    utility: bool = True
    """NVML is to be there. NVIDIA's legacy runtime brings it to images with the capability `utility` only."""
    folders: frozenset[str] = field(default=DEFAULT_FOLDERS)


def loader_findings(seen: Seen, expected: Expected) -> tuple[Found, ...]:
    """Of the driver's libraries: whether the loader finds them, and that they are the host's."""
    cuda = _library(seen, seen.cuda, LIBCUDA, "no-libcuda", expected)
    asked = expected.utility or bool(seen.nvml.path)
    nvml = _library(seen, seen.nvml, LIBNVML, "no-nvml", expected) if asked else None
    told = cuda.name if cuda is not None else ""
    return tuple(one for one in (cuda, nvml) if one is not None and (one is cuda or one.name != told))


def node_findings(seen: Seen, expected: Expected) -> tuple[Found, ...]:
    return tuple(one for path in expected.nodes if (one := _node(path, seen, expected)) is not None)


def gpu_findings(seen: Seen, expected: Expected) -> tuple[Found, ...]:
    """Whether the driver answers, and for which GPUs. Silent where a library or a node says why it can't."""
    if not seen.cuda.path or node_findings(seen, expected):
        return ()
    calls = (("cuInit", seen.cuda), ("nvmlInit", seen.nvml))
    silent = [
        found("driver-fails", what=name, error=one.init) for name, one in calls if one.path and one.init
    ]
    return (*silent, *_others(seen, expected))


def runtime_findings(seen: Seen, expected: Expected) -> tuple[Found, ...]:
    """Of the image's CUDA runtimes; nothing where there is no driver that they could reach."""
    if not seen.cuda.path:
        return ()
    looked = (_runtime(runtime, seen.cuda, expected) for runtime in seen.runtimes)
    return tuple(one for one in looked if one is not None)


def kernel_findings(seen: Seen) -> tuple[Found, ...]:
    looked = tuple(one for kernel in seen.kernels if (one := _kernel(kernel)) is not None)
    return looked if seen.kernels else (found("no-kernel"),)


def wiring(seen: Seen, expected: Expected) -> tuple[Found, ...]:
    """Everything that is wrong, causes before what follows from them."""
    return (
        *loader_findings(seen, expected),
        *node_findings(seen, expected),
        *gpu_findings(seen, expected),
        *runtime_findings(seen, expected),
    )


def unasked_findings(seen: Seen) -> tuple[Found, ...]:
    """Of a container that asked for no GPU."""
    libraries = ((seen.cuda, LIBCUDA), (seen.nvml, LIBNVML))
    baked = [found("baked-in", soname=soname, path=one.path) for one, soname in libraries if one.path]
    given = [found("other-gpus", seen=", ".join(sorted(seen.gpus)), wanted="none")] if seen.gpus else []
    return (*baked, *given)


def neighbour_findings(seen: Seen, nodes: tuple[str, ...]) -> tuple[Found, ...]:
    """Of a container that asked for some GPUs: that it has no others."""
    if {*seen.gpus} == {*nodes}:
        return ()
    return (found("other-gpus", seen=_listed(seen.gpus), wanted=_listed(nodes)),)


def _library(seen: Seen, library: Library, soname: str, missing: str, expected: Expected) -> Found | None:
    if not library.path:
        return _not_loaded(seen, library, soname, missing, expected)
    if library.mounted is False:
        return found("shadowed", path=library.path, soname=soname, why="")
    if library.stub and not expected.stub:
        return found("stub-driver", path=library.path)
    return None


def _not_loaded(seen: Seen, library: Library, soname: str, missing: str, expected: Expected) -> Found:
    """The loader's words begin with what it could not open, or with the file that it could not use."""
    if not library.error.startswith(f"{soname}: cannot open"):
        path, _, why = library.error.partition(": ")
        if basename(path) == soname:
            return found("shadowed", path=path, soname=soname, why=f" and can't be loaded ({why})")
        return found("driver-fails", what=f"loading {soname}", error=f"'{library.error}'")
    places = [path for path in seen.mounts if basename(path).startswith(soname.removesuffix(".1"))]
    if not places:
        return found(missing, soname=soname)
    lost = [path for path in places if dirname(path) not in expected.folders]
    if lost:
        return found("wrong-path", path=lost[0])
    return found("hooks-not-run", path=places[0], soname=soname)


def _node(path: str, seen: Seen, expected: Expected) -> Found | None:
    """Each errno has its own cause, and its own cure."""
    ended = seen.nodes.get(path, "ENOENT")
    if ended == "ok" or (expected.stub and ended in WITHOUT_HARDWARE):
        return None
    names = {"ENOENT": "no-device-node", "EACCES": "no-permission", "EPERM": "closed-by-cgroup"}
    name = "no-hardware" if ended in WITHOUT_HARDWARE else names.get(ended, "node-fails")
    return found(name, path=path, uid=seen.uid, error=ended)


def _others(seen: Seen, expected: Expected) -> Iterator[Found]:
    """CUDA and NVML order GPUs each in their own way: compared as sets."""
    for library in (seen.cuda, seen.nvml):
        if library.path and not library.init and {*library.uuids} != {*expected.uuids}:
            yield found("other-gpus", seen=_listed(library.uuids), wanted=_listed(expected.uuids))
            return


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(sorted(names)) or "none"


def _runtime(runtime: Runtime, driver: Driver, expected: Expected) -> Found | None:
    if runtime.error:
        return found("runtime-fails", what=f"loading '{runtime.path}'", error=f"'{runtime.error}'")
    if driver.version // 1000 < runtime.version // 1000:
        return _too_old(runtime, driver)
    if driver.init == 0 and runtime.code != (NOT_SUPPORTED if expected.stub else 0):
        return found("runtime-fails", what=f"cudaGetDeviceCount of '{runtime.path}'", error=runtime.code)
    return None


def _too_old(runtime: Runtime, driver: Driver) -> Found:
    branch = MINIMUM_DRIVER.get(str(runtime.version // 1000))
    return found(
        "old-driver",
        driver=as_version(driver.version),
        path=runtime.path,
        runtime=as_version(runtime.version),
        newer=f"a driver of branch {branch} or later" if branch else "a newer driver",
        major=driver.version // 1000,
    )


def _kernel(kernel: Kernel) -> Found | None:
    if kernel.step:
        return found("kernel-fails", what=kernel.step, error=kernel.code, gpu=kernel.gpu)
    if kernel.wrong:
        return found("wrong-sums", wrong=kernel.wrong, of=kernel.of, gpu=kernel.gpu)
    return None
