"""The CUDA libraries of an image: one major, and a C library that the driver can be loaded beside."""

import re
from collections.abc import Iterable, Iterator

from builder.controls.frame import Context, Control, NoParameters
from builder.controls.inventory import inventory
from builder.controls.references import nist, nvidia
from builder.controls.survey import remembered, survey
from builder.model import gpu
from builder.model.image import Image
from builder.model.report import Finding, Severity

MAJORED = re.compile(
    r"lib(?:cudart|cublas|cublasLt|cupti|nvblas|nvJitLink|nvrtc)\.so\.(?P<major>[0-9]+)(?:\.|$)"
)
"""Libraries whose soname has CUDA's major. cuDNN, cuFFT, cuRAND and others count for themselves."""
DRIVER = "libcuda.so.1"
BY_CAPABILITY = {
    "libGLX_nvidia.so.0": "graphics",
    "libEGL_nvidia.so.0": "graphics",
    "libcuda.so.1": "compute",
    "libnvcuvid.so.1": "video",
    "libnvidia-encode.so.1": "video",
    "libnvidia-ml.so.1": "utility",
    "libnvidia-ngx.so.1": "ngx",
    "libnvidia-opencl.so.1": "compute",
    "libnvidia-opticalflow.so.1": "video",
    "libnvidia-ptxjitcompiler.so.1": "compute",
    "libnvoptix.so.1": "graphics",
}
"""Libraries of the driver -> the capability that brings them (libnvidia-container, nvc_info.c)."""
UNSAID = ("compute", "utility")
"""What NVIDIA's runtime brings where an image says nothing."""


@remembered
def majors(image: Image) -> dict[str, str]:
    """Path -> CUDA major, of each library that is of one or needs one, and of each wheel built for one."""
    found = {}
    for entry in image.rootfs.files():
        facts = entry.content.facts.elf if entry.content is not None else None
        for name in (facts.soname or "", *facts.needed) if facts is not None else ():
            match = MAJORED.match(name)
            if match is not None:
                found[entry.path] = match["major"]
                break
    for wheel in inventory(image).wheels:
        major = gpu.cuda_major(wheel.name)
        if major is not None:
            found[wheel.folder] = major
    return found


def driver_needs(image: Image) -> Iterator[tuple[str, str]]:
    """Path and soname, of each library of NVIDIA's driver that a file of the image is linked against."""
    for entry in image.rootfs.files():
        facts = entry.content.facts.elf if entry.content is not None else None
        for soname in facts.needed if facts is not None else ():
            if soname in BY_CAPABILITY:
                yield entry.path, soname


class OneCudaMajor(Control[NoParameters]):
    key = "one-cuda-major"
    title = "All CUDA libraries of the image are of one major version, the declared one"
    why = (
        "A framework built for CUDA 12 beside the libraries of CUDA 13 falls back to the CPU or dies at its "
        "first kernel, and twice the libraries are gigabytes that nobody uses."
    )
    remedy = "take every wheel for the CUDA of `gpu:` in image.yaml, and build the lock anew"
    foreign_remedy = "install every framework and library for one major version of CUDA"
    severity = Severity.MEDIUM
    references = (nvidia("CUDA compatibility"), nist("4.1.2"))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        found = majors(image)
        declared = context.plan.spec.gpu.cuda if context.plan is not None and context.plan.spec.gpu else None
        wanted = declared or max(found.values(), key=int, default="")
        others = f"image.yaml says {declared}" if declared else f"other parts of the image of {wanted}"
        for path, major in found.items():
            if major != wanted:
                yield Finding(message=f"{path} is of CUDA {major}, {others}", path=path)


class GlibcForCuda(Control[NoParameters]):
    key = "glibc-for-cuda"
    title = "Where CUDA is used, the image's C library is glibc"
    why = (
        "NVIDIA's driver is built for glibc and mounted as it is: under musl it can't be loaded, and the "
        "program says no more than that there is no GPU."
    )
    remedy = "stand the image on a base with glibc, such as debian/trixie"
    severity = Severity.MEDIUM
    references = (nvidia("supported platforms"), nist("4.1.2"))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        has_glibc = any(True for _ in survey(image).named("libc.so.6"))
        if not has_glibc and (user := next(self._users(image, context), None)) is not None:
            yield Finding(message=f"{user} needs NVIDIA's driver, and no libc.so.6 is in the image for it")

    def _users(self, image: Image, context: Context) -> Iterator[str]:
        spec = context.plan.spec.gpu if context.plan is not None else None
        if spec is not None and spec.vendor == "nvidia":
            yield "image.yaml"
        yield from majors(image)
        yield from (path for path, soname in driver_needs(image) if soname == DRIVER)


class DriverCapabilities(Control[NoParameters]):
    key = "driver-capabilities"
    title = "The image declares each part of NVIDIA's driver that its libraries are linked against"
    why = (
        "What a host must bring is not in the image for anybody to see: a part that nobody asked for is not "
        "mounted, and the library that needs it can't be loaded."
    )
    remedy = "declare the GPU and the part of its driver under `gpu: capabilities:` in image.yaml"
    foreign_remedy = "name the part in NVIDIA_DRIVER_CAPABILITIES"
    severity = Severity.MEDIUM
    references = (nvidia("driver capabilities"), nist("4.1.2"))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        declared = self._declared(image, context)
        for path, soname in driver_needs(image):
            part = BY_CAPABILITY[soname]
            if not declared:
                fault = "and image.yaml declares none of its GPUs"
            elif part not in declared:
                fault = f"which comes with '{part}' only"
            else:
                continue
            yield Finding(message=f"{path} needs '{soname}' of NVIDIA's driver, {fault}", path=path)

    def _declared(self, image: Image, context: Context) -> tuple[str, ...]:
        """An image of others declares by its variable alone."""
        if context.plan is not None:
            spec = context.plan.spec.gpu
            return spec.capabilities if spec is not None and spec.vendor == "nvidia" else ()
        value = image.config.env_value("NVIDIA_DRIVER_CAPABILITIES")
        return (
            tuple(BY_CAPABILITY.values()) if value == "all" else tuple((value or ",".join(UNSAID)).split(","))
        )
