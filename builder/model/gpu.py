"""What `gpu:` in image.yaml drives: variables, labels, packages, settings of the run contract. Pure data.

Never `CUDA_VERSION` nor `NVIDIA_VISIBLE_DEVICES`: NVIDIA's runtime hands every GPU of the host to an image
that sets them. Source: NVIDIA Container Toolkit 1.18, environment variables.
"""

import re
from collections.abc import Mapping

from builder.model.contract import GpuAccess
from builder.model.profile import DEFAULTS, Device, RunSettings, Ulimit
from builder.model.spec import GpuCapability, GpuSpec, ImageSpec

CAPABILITIES: tuple[GpuCapability, ...] = (
    "compute",
    "utility",
    "graphics",
    "video",
    "display",
    "ngx",
    "compat32",
)
"""In the order in which the variable lists them."""
MINIMUM_DRIVER: Mapping[str, str] = {"12": "525", "13": "580"}
"""CUDA major -> branch of the oldest NVIDIA driver that runs it (CUDA Compatibility, minor versions)."""
TELEMETRY_OFF = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "VLLM_NO_USAGE_STATS": "1",
}
CODE_CACHES = {
    "CUDA_CACHE_PATH": "cuda",
    "CUPY_CACHE_DIR": "cupy",
    "NUMBA_CACHE_DIR": "numba",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
}
"""Hold compiled code, some of which is mapped to be run."""
DATA_CACHES = {
    "HF_HOME": "huggingface",
    "MPLCONFIGDIR": "matplotlib",
    "TORCH_HOME": "torch",
    "XDG_CACHE_HOME": "cache",
}
RDMA_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "debian/trixie": ("ibverbs-providers", "libibverbs1", "librdmacm1t64"),
    "debian/bookworm": ("ibverbs-providers", "libibverbs1", "librdmacm1"),
}
RDMA_NODES = (Device(path="/dev/infiniband/rdma_cm"), Device(path="/dev/infiniband/uverbs0"))
"""The first adapter's; others by `run: devices` in the profile. umad and issm manage the fabric: never."""
ACCESS: Mapping[str, GpuAccess] = {
    "nvidia": GpuAccess(vendor="nvidia", resource="nvidia.com/gpu", cdi="nvidia.com/gpu=all"),
    "amd": GpuAccess(
        vendor="amd", resource="amd.com/gpu", nodes=(Device(path="/dev/kfd"), Device(path="/dev/dri"))
    ),
    "intel": GpuAccess(vendor="intel", resource="gpu.intel.com/i915", nodes=(Device(path="/dev/dri"),)),
}
"""How each vendor's GPUs get into a container. NVIDIA's runtime brings the driver's libraries along; of the
others the image has them, and the host gives devices only."""


OF_CUDA = re.compile(r"(?:-cu|-cuda)(?P<major>1[0-9])x?(?![0-9])")
"""`nvidia-cublas-cu12`, `cupy-cuda13x`; CUDA 13's own wheels have no major in their names."""


def cuda_major(requirement: str) -> str | None:
    """Which CUDA a wheel is built for, where its name says so."""
    found = OF_CUDA.search(requirement.lower().replace("_", "-"))
    return found["major"] if found is not None else None


def variables(spec: ImageSpec) -> dict[str, str]:
    """Of the image: what `gpu:` drives, and over it what `env:` says."""
    return {**(_driven(spec.gpu, spec) if spec.gpu is not None else {}), **spec.env}


def _driven(gpu: GpuSpec, spec: ImageSpec) -> dict[str, str]:
    found = {**TELEMETRY_OFF, **_caches(spec), **_memory(gpu)}
    if gpu.vendor == "nvidia":
        asked = [name for name in CAPABILITIES if name in gpu.capabilities]
        found["NVIDIA_DRIVER_CAPABILITIES"] = ",".join(asked)
    return found


def _caches(spec: ImageSpec) -> dict[str, str]:
    """Compiled code where it may be mapped, downloads where they stay; nothing where nothing is writable."""
    scratch = sorted(spec.writable, key=lambda item: not item.exec)
    kept = [item.path for item in spec.state if item.mode == "rw"]
    code = [*(item.path for item in scratch), *kept]
    data = [*kept, *(item.path for item in spec.writable)]
    if not code:
        return {}
    return {
        **{name: f"{code[0]}/{folder}" for name, folder in CODE_CACHES.items()},
        **{name: f"{data[0]}/{folder}" for name, folder in DATA_CACHES.items()},
    }


def _memory(gpu: GpuSpec) -> dict[str, str]:
    """A cap that the frameworks keep to by themselves; no protection from a program that doesn't."""
    if gpu.memory_fraction is None:
        return {}
    return {
        "CUPY_GPU_MEMORY_LIMIT": f"{gpu.memory_fraction * 100:g}%",
        "PYTORCH_ALLOC_CONF": f"per_process_memory_fraction:{gpu.memory_fraction:g}",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": f"{gpu.memory_fraction:g}",
    }


def labels(spec: ImageSpec) -> dict[str, str]:
    """What `labels:` says, and over it what a scheduler must know of the GPU."""
    if spec.gpu is None:
        return spec.labels
    found: dict[str, str] = {"temper.gpu.vendor": spec.gpu.vendor}
    if spec.gpu.cuda is not None:
        found["temper.gpu.cuda"] = spec.gpu.cuda
        found["temper.gpu.minimum-driver"] = MINIMUM_DRIVER[spec.gpu.cuda]
    return {**spec.labels, **found}


def packages(spec: ImageSpec) -> tuple[str, ...]:
    """Of the distribution; the GPU's own user space comes from wheels, or from `packages:`."""
    return RDMA_PACKAGES.get(spec.base, ()) if spec.gpu is not None and spec.gpu.rdma else ()


def run_defaults(spec: ImageSpec) -> RunSettings:
    """What holds where no profile says anything. RDMA pins its buffers, whatever their size."""
    needs: dict[str, object] = spec.needs.model_dump(exclude_none=True)
    if spec.gpu is not None and spec.gpu.shm is not None:
        needs["shm"] = spec.gpu.shm
    if spec.gpu is not None and spec.gpu.rdma:
        needs["ulimits"] = {**(DEFAULTS.ulimits or {}), "memlock": Ulimit(soft=-1, hard=-1)}
    return DEFAULTS.model_copy(update=needs) if needs else DEFAULTS


def access(spec: ImageSpec) -> GpuAccess | None:
    if spec.gpu is None:
        return None
    found = ACCESS[spec.gpu.vendor]
    return found.with_rdma(RDMA_NODES) if spec.gpu.rdma else found
