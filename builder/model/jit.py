"""What `jit: true` of image.yaml drives: a program that compiles while it runs. Pure data.

Sources: torch._inductor.cpp_builder (PyTorch 2.x), triton/runtime/build.py and backends/nvidia (Triton 3.x).
"""

from collections.abc import Mapping

from builder.model.spec import ImageSpec

READS: Mapping[str, str] = {"torch": "torch/include", "triton": "triton/backends"}
"""Wheel -> the folder, below Python's packages, that is read while compiling: headers of Inductor and ATen,
Triton's ptxas and headers of the driver. All other images have them pruned, and so the RECORD of these wheels
differs from image to image."""


def packages(spec: ImageSpec) -> tuple[str, ...]:
    """Inductor asks for a C++ compiler; what it and Triton compile are extension modules of Python."""
    if not spec.jit:
        return ()
    headers = (f"libpython{spec.python.version}-dev",) if spec.python is not None else ()
    return ("g++", *headers)
