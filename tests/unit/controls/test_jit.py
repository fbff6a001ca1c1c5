"""An image that compiles while it runs keeps what that needs, and no more."""

from dataclasses import replace

import pytest

from builder.controls.audit import audit_one
from builder.controls.catalogue import BY_KEY
from builder.controls.frame import Context
from builder.model.image import Image
from builder.model.report import Outcome
from builder.model.tree import Entry
from tests.unit.controls.sound import SITE, directory, elf, file, image, plan, planned, put

COMPILES = Context(plan=replace(plan(), spec=plan().spec.model_copy(update={"jit": True})))
RUNS = Context(plan=plan())
CUPTI = f"{SITE}/triton/backends/nvidia/lib/cupti"
HEADER = file(f"{SITE}/torch/include/ATen/ATen.h")
TOOL_CHAIN = (elf("usr/bin/g++"), elf("usr/bin/gcc"), file("usr/include/stdio.h"))
PTXAS = elf(f"{SITE}/triton/backends/nvidia/bin/ptxas-blackwell")


def after(key: str, context: Context, *entries: Entry) -> Image:
    control = planned(key)
    found: Image = BY_KEY[key].enforce(put(*entries)(image()), control.parameters, context)
    return found


@pytest.mark.parametrize(
    ("entry", "context", "stays"),
    [
        (HEADER, COMPILES, True),
        (HEADER, RUNS, False),
        (file(f"{SITE}/numpy/_core/include/numpy/arrayobject.h"), COMPILES, False),
        (file(f"{SITE}/triton/backends/nvidia/lib/libdevice.10.bc"), COMPILES, True),
        (file(f"{SITE}/triton/backends/nvidia/lib/libdevice.10.bc"), RUNS, False),
        (file(f"{SITE}/nvidia/nvshmem/lib/libnvshmem_device.bc"), COMPILES, False),
        (file(f"{SITE}/nvidia/cu13/include/cuda_runtime.h"), COMPILES, True),
        (file(f"{SITE}/nvidia/cu13/include/cuda_runtime.h"), RUNS, False),
        (file(f"{SITE}/nvidia/cudnn/include/cudnn.h"), COMPILES, False),
        (file(f"{CUPTI}/libcupti.so.12"), COMPILES, False),
        (file(f"{SITE}/build_backend.py"), RUNS, False),
        (file(f"{SITE}/package/setup.py"), RUNS, True),
    ],
    ids=lambda value: value.path if isinstance(value, Entry) else "",
)
def test_lean_tree(entry: Entry, context: Context, stays: bool) -> None:
    entries = [entry, *([directory(CUPTI)] if entry.path.startswith(CUPTI) else [])]
    hardened = after("lean-tree", context, *entries)
    assert (entry.path in hardened.rootfs) is stays
    assert audit_one(hardened, planned("lean-tree"), context).outcome is Outcome.PASSED


def test_a_tool_chain_stays_and_programs_of_wheels_that_nobody_asks_go() -> None:
    protoc = elf(f"{SITE}/torch/bin/protoc-3.13.0.0")
    hardened = after("no-compilers", COMPILES, *TOOL_CHAIN, PTXAS, protoc)
    assert {entry.path for entry in (*TOOL_CHAIN, PTXAS)} <= hardened.rootfs.keys()
    assert protoc.path not in hardened.rootfs
    assert audit_one(hardened, planned("no-compilers"), COMPILES).outcome is Outcome.PASSED


def test_without_a_word_for_it_all_of_it_goes() -> None:
    hardened = after("no-compilers", RUNS, *TOOL_CHAIN, PTXAS)
    assert not {entry.path for entry in (*TOOL_CHAIN, PTXAS)} & hardened.rootfs.keys()


def test_half_a_tool_chain_is_a_finding() -> None:
    found = audit_one(image(), planned("no-compilers"), COMPILES).findings
    assert [one.message for one in found] == [
        "none of cc, gcc, clang is on the PATH, though `jit` needs one",
        "usr/include holds no headers, though `jit` needs the C library's",
    ]
