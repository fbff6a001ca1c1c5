"""What `gpu:` of image.yaml contradicts: another vendor, another CUDA, a variable that opens every GPU."""

from collections.abc import Iterator
from pathlib import Path

from builder.config.problems import Location
from builder.model.gpu import cuda_major
from builder.model.spec import GpuSpec, ImageSpec

Found = Iterator[tuple[Location, str]]

DRIVEN = {
    "CUDA_VERSION": "is taken by NVIDIA's runtime for a request of all GPUs; remove it, 'gpu.cuda' says it",
    "NVIDIA_DRIVER_CAPABILITIES": "is what 'gpu.capabilities' says; remove it",
    "NVIDIA_VISIBLE_DEVICES": "hands out GPUs without a word at the start; remove it, the run contract asks",
}
FABRIC = "is the cluster's to say; remove it, and name it under 'run: pass-env' in the profile"


def gpu_conflicts(spec: ImageSpec, _: Path) -> Found:
    if spec.gpu is not None:
        yield from _vendor(spec.gpu)
        yield from _wheels(spec)
        for name, text in DRIVEN.items():
            if name in spec.env:
                yield ("env", name), f"'{name}' {text}"
        for name in spec.env:
            if name.startswith("NCCL_"):
                yield ("env", name), f"'{name}' {FABRIC}"


def _vendor(gpu: GpuSpec) -> Found:
    if gpu.vendor == "nvidia":
        return
    for key, what in (("cuda", "CUDA is"), ("capabilities", "the driver's capabilities are")):
        if key in gpu.model_fields_set:
            yield ("gpu", key), f"{what} NVIDIA's, the vendor is '{gpu.vendor}'; remove it"


def _wheels(spec: ImageSpec) -> Found:
    """A name without a major, as CUDA 13's wheels have it, says nothing; the lock and the audit tell then."""
    wanted = spec.gpu.cuda if spec.gpu is not None else None
    for number, text in enumerate(spec.python.requirements if spec.python else ()):
        major = cuda_major(text)
        if wanted is not None and major is not None and major != wanted:
            rule = "one process can't load both; take one"
            at: Location = ("python", "requirements", number)
            yield at, f"'{text}' is of CUDA {major}, 'gpu.cuda' says {wanted}; {rule}"
