"""The GPU's driver belongs to the host: what of it lies in an image hides the host's."""

import re
from collections.abc import Iterable, Iterator

from pydantic import Field

from builder.controls.edit import without
from builder.controls.frame import Context, Control, NoParameters
from builder.controls.programs import is_program
from builder.controls.references import cwe, nvidia
from builder.controls.survey import Placed, hidden, survey
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.tree import Entry, Kind

PARTS = (
    *(
        "allocator",
        "api",
        "cfg",
        "compiler",
        "egl-gbm",
        "egl-wayland",
        "eglcore",
        "encode",
        "fatbinaryloader",
    ),
    *("fbc", "glcore", "glsi", "glvkspirv", "gpucomp", "ifr", "ml", "ngx", "nscq", "nvvm", "nvvm70"),
    *("opencl", "opticalflow", "pkcs11", "pkcs11-openssl3", "ptxjitcompiler", "rtcore", "tileiras", "tls"),
)
"""Of `libnvidia-PART.so`. A closed list, and its case counts: wheels have libnvJitLink and libnvblas."""
LIBRARY = re.compile(
    r"lib(cuda|cudadebugger|nvcuvid|nvoptix|vdpau_nvidia|(GLX|EGL|GLESv2|GLESv1_CM)_nvidia"
    rf"|nvidia-({'|'.join(map(re.escape, PARTS))}))\.so(\.[0-9.]+)?"
)
"""What NVIDIA's runtime mounts from the host (libnvidia-container, nvc_info.c), and stubs of it."""
PROGRAMS = frozenset(
    (
        *("nv-fabricmanager", "nvidia-cuda-mps-control", "nvidia-cuda-mps-server", "nvidia-debugdump"),
        *("nvidia-imex", "nvidia-imex-ctl", "nvidia-modprobe", "nvidia-persistenced", "nvidia-smi"),
    )
)
FIRMWARE = ("lib/firmware/nvidia", "usr/lib/firmware/nvidia")
COMPAT = re.compile(r"(?P<folder>usr/local/cuda(-[0-9.]+)?/compat)/.")
"""Libraries of a newer driver for older kernels, which NVIDIA's runtime may prefer to the host's."""


class NoDriverFiles(Control[NoParameters]):
    key = "no-driver-files"
    title = "No part of a GPU's driver is in the image"
    why = (
        "A driver library in the image hides the one that fits the host's kernel, or is loaded in its stead: "
        "the GPU is gone, or somebody else's code runs. A link in the place of firmware has been a way out."
    )
    remedy = "leave the driver's package out; it comes from the host, and stubs are for linking only"
    severity = Severity.HIGH
    references = (nvidia("driver libraries"), cwe("427"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        there = {one.entry.path for one, _ in self._faults(image) if one.entry.path in image.rootfs}
        return without(image, there) if there else image

    def _faults(self, image: Image) -> Iterator[tuple[Placed, str]]:
        found = survey(image)
        for name in found.names():
            what = self._what(name)
            for placed in found.named(name) if what else ():
                if self._is_meant(placed.entry, what):
                    yield placed, what
        for path in FIRMWARE:
            entry = image.rootfs.get(path)
            if entry is not None:
                yield Placed(entry), "is firmware of NVIDIA's driver"

    def _what(self, name: str) -> str:
        if name.startswith("lib") and LIBRARY.fullmatch(name):
            return "is a library of NVIDIA's driver"
        return "is a program of NVIDIA's driver" if name in PROGRAMS else ""

    def _is_meant(self, entry: Entry, what: str) -> bool:
        """Compat libraries are `cuda-compat`'s."""
        if "library" in what:
            return entry.kind in (Kind.FILE, Kind.SYMLINK) and not COMPAT.match(entry.path)
        return is_program(entry)

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for placed, what in self._faults(image):
            yield placed.finding(what)


class CompatParameters(Strict):
    declared: bool = Field(
        default=False, description="the image brings CUDA's compatibility libraries, and is meant to"
    )


class CudaCompat(Control[CompatParameters]):
    key = "cuda-compat"
    title = "CUDA's compatibility libraries are only there where declared, as plain files of root"
    why = (
        "NVIDIA's runtime has root look into this one folder of the image, and prefers what it finds to the "
        "host's driver: links in it led to the host's file system (CVE-2024-0132, CVE-2025-23359)."
    )
    remedy = (
        "leave cuda-compat out, or set `declared: true` in the profile and keep plain files of root in it"
    )
    severity = Severity.HIGH
    references = (nvidia("enable-cuda-compat"), cwe("59"), cwe("367"))
    parameters = CompatParameters

    def enforce(self, image: Image, parameters: CompatParameters, context: Context) -> Image:
        if parameters.declared:
            return image
        folders = {self._folder(one.entry) for one in self._entries(image) if not one.layer}
        return without(image, folders) if folders else image

    def _folder(self, entry: Entry) -> str:
        found = COMPAT.match(entry.path)
        return found["folder"] if found is not None else ""

    def _entries(self, image: Image) -> Iterator[Placed]:
        for entry in image.rootfs.below("usr/local"):
            if entry.path.startswith("usr/local/cuda") and COMPAT.match(entry.path):
                yield Placed(entry)
        yield from (placed for placed in hidden(image) if COMPAT.match(placed.entry.path))

    def audit(self, image: Image, parameters: CompatParameters, context: Context) -> Iterable[Finding]:
        for placed in self._entries(image):
            fault = self._fault(image, placed.entry) if parameters.declared else "is not declared"
            if fault is not None:
                yield placed.finding(fault)

    def _fault(self, image: Image, entry: Entry) -> str | None:
        if entry.kind is Kind.SYMLINK:
            there = image.rootfs.resolve(entry.path)
            inside = there is not None and self._folder(there) == self._folder(entry)
            return None if inside else f"leads to '{entry.target}', out of its folder"
        if entry.uid or entry.gid or entry.mode & 0o022:
            return f"is not root's alone to write ({entry.uid}:{entry.gid}, mode {entry.mode:04o})"
        return None
