"""The stub driver and the probe: C that ships as source and is compiled where it is needed, once."""

import hashlib
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from builder import process
from builder.errors import ToolError
from builder.packages.store import Store

FOLDER = Path(__file__).with_name("native")
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=gnu11", "-O1", "-Wall", "-Wextra", "-Wno-strict-prototypes", "-D_GNU_SOURCE")
STUB = ("-fPIC", "-shared", "-fvisibility=hidden", "-nostartfiles")
"""Without start files a library asks for no symbol that is newer than what it calls itself."""
VERSION = "0.0.0"
"""Of no driver there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    name: str
    sources: tuple[str, ...]
    flags: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    """After the sources that need them, as linkers want it."""


PROBE = Program(
    name="probe",
    sources=("probe.c", "json.c", "loaded.c", "nodes.c", "driver.c", "runtime.c", "kernel.c"),
    libraries=("-ldl",),
)
CUDA = Program(
    name=f"libcuda.so.{VERSION}", sources=("stub_cuda.c",), flags=(*STUB, "-Wl,-soname,libcuda.so.1")
)
NVML = Program(
    name=f"libnvidia-ml.so.{VERSION}",
    sources=("stub_nvml.c",),
    flags=(*STUB, "-Wl,-soname,libnvidia-ml.so.1"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """Compiled, and readable by any user of a container."""

    probe: Path
    cuda: Path
    nvml: Path


def compiled(store: Store, folder: Path) -> Native:
    """Lays the programs out in `folder`. Raises `ToolError` where there is no compiler, or it fails."""
    compiler = find_compiler()
    probe, cuda, nvml = (_laid_out(program, compiler, store, folder) for program in (PROBE, CUDA, NVML))
    return Native(probe=probe, cuda=cuda, nvml=nvml)


def find_compiler() -> str:
    for name in COMPILERS:
        found = shutil.which(name)
        if found is not None:
            return found
    raise ToolError(
        f"no C compiler: none of {', '.join(COMPILERS)} is on the PATH; install one (Debian: gcc, libc6-dev)"
    )


def _laid_out(program: Program, compiler: str, store: Store, folder: Path) -> Path:
    key = _key(program, compiler)
    data = store.record("native", key)
    if data is None:
        data = _compile(program, compiler)
        store.write_record("native", key, data)
    target = folder / program.name
    target.write_bytes(data)
    target.chmod(0o755)
    return target


def _key(program: Program, compiler: str) -> str:
    """Every source counts: which header belongs to which program is the compiler's business."""
    digest = hashlib.sha256()
    flags = (*FLAGS, *program.flags, *program.libraries)
    for word in (program.name, platform.machine(), _version(compiler), *flags):
        digest.update(f"{word}\0".encode())
    for path in sorted(_sources()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    return (path for path in FOLDER.iterdir() if path.suffix in (".c", ".h"))


def _version(compiler: str) -> str:
    return process.run([compiler, "--version"]).stdout.decode(errors="replace")


def command(program: Program, compiler: str) -> list[str]:
    sources = [str(FOLDER / name) for name in program.sources]
    return [compiler, *FLAGS, *program.flags, *sources, *program.libraries]


def _compile(program: Program, compiler: str) -> bytes:
    with TemporaryDirectory(prefix="temper-native-") as name:
        target = Path(name) / program.name
        process.run([*command(program, compiler), "-o", target])
        return target.read_bytes()
