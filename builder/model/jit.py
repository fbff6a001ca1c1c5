"""What `jit: true` of image.yaml drives: a program that compiles while it runs. Pure data.

Sources: torch._inductor.cpp_builder (PyTorch 2.x), triton/runtime/build.py and backends/nvidia (Triton 3.x),
flashinfer/jit (nvcc of the CUDA wheels).
"""

import re

from builder.model.spec import ImageSpec

READ = (
    *("nvidia/cu12/bin", "nvidia/cu12/include", "nvidia/cu12/nvvm"),
    *("nvidia/cu13/bin", "nvidia/cu13/include", "nvidia/cu13/nvvm"),
    *("tokenspeed_triton/backends", "torch/include", "triton/backends"),
)
"""Folders below Python's packages that compiling at run time reads: headers of Inductor, ATen and CUDA, nvcc,
Triton's ptxas. In all other images what is for compilers is pruned there as everywhere."""
_WHEELS = re.compile(r"nvidia-.+|tokenspeed-triton|torch|triton")


def is_read(package: str) -> bool:
    """Whether a path, from below Python's packages on, lies in one of these folders."""
    return package.startswith(_FOLDERS)


_FOLDERS = tuple(f"{folder}/" for folder in READ)


def varies(wheel: str) -> bool:
    """Whether the wheel has something in such a folder, so that its RECORD differs from image to image."""
    return _WHEELS.fullmatch(wheel) is not None


def packages(spec: ImageSpec) -> tuple[str, ...]:
    """Inductor asks for a C++ compiler; what it and Triton compile are extension modules of Python."""
    if not spec.jit:
        return ()
    headers = (f"libpython{spec.python.version}-dev",) if spec.python is not None else ()
    return ("g++", *headers)
