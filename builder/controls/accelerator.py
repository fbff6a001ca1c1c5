"""What a declared GPU needs beside its driver: user space, caches that can be written, no telemetry."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from builder.controls import passwd
from builder.controls.frame import Context, Control, NoParameters
from builder.controls.inventory import inventory
from builder.controls.references import cwe, nist
from builder.controls.survey import survey
from builder.model import gpu
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.spec import GpuSpec


def declared(context: Context) -> GpuSpec | None:
    return context.plan.spec.gpu if context.plan is not None else None


class UserSpace(NamedTuple):
    what: str
    names: re.Pattern[str]


USER_SPACE = {
    "amd": UserSpace("HIP or HSA", re.compile(r"lib(amdhip64|hsa-runtime64)\.so(\.[0-9.]+)?")),
    "intel": UserSpace(
        "Level Zero or OpenCL", re.compile(r"lib(ze_loader|ze_intel_gpu|igdrcl)\.so(\.[0-9.]+)?")
    ),
}
"""By vendor, what the image has to bring itself. NVIDIA's runtime brings it from the host."""


class GpuLibraries(Control[NoParameters]):
    key = "gpu-libraries"
    title = "The image brings what an AMD or Intel GPU needs, and no number for the host's group"
    why = (
        "Of these vendors the host hands on devices only: without the user space in the image there is no "
        "GPU. The group that may open them has another number on each host: a fixed one is somebody else's."
    )
    remedy = "add the vendor's runtime to `packages:` or requirements; give the group by `run: groups`"
    foreign_remedy = "install the vendor's runtime; give the host's group by --group-add, as a number"
    severity = Severity.MEDIUM
    references = (nist("4.1.2"),)

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        spec = context.known_plan().spec.gpu
        space = USER_SPACE.get(spec.vendor) if spec is not None else None
        if spec is None or space is None:
            return
        if not any(space.names.fullmatch(name) for name in survey(image).names()):
            yield Finding(message=f"no library of {space.what} is in the image, which '{spec.vendor}' needs")
        for line in passwd.groups(image.rootfs):
            if line[0] == "render":
                message = f"etc/group gives 'render' the number {line[2]}, which is another on each host"
                yield Finding(message=message, path="etc/group")


PROVIDER = re.compile(r"lib[a-z0-9_]+-rdmav[0-9]+\.so")
RDMA_LIBRARIES = ("libibverbs.so.1", "librdmacm.so.1")


class RdmaLibraries(Control[NoParameters]):
    key = "rdma-libraries"
    title = "Where RDMA is declared its libraries are there, and never without a provider"
    why = (
        "NCCL opens libibverbs by name and goes on over TCP without it; libibverbs does the same without a "
        "provider for the adapter. Nothing fails, and everything is slow."
    )
    remedy = "add `rdma: true` under `gpu:` in image.yaml and lock again; keep ibverbs-providers"
    foreign_remedy = "install libibverbs1, librdmacm1 and ibverbs-providers"
    severity = Severity.LOW
    references = (nist("4.1.2"),)

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        names = set(survey(image).names())
        spec = declared(context)
        for name in RDMA_LIBRARIES if spec is not None and spec.rdma else ():
            if name not in names:
                yield Finding(message=f"{name} is not in the image, which declares RDMA")
        if RDMA_LIBRARIES[0] in names and not any(map(PROVIDER.fullmatch, names)):
            yield Finding(message=f"{RDMA_LIBRARIES[0]} is in the image without a provider for any adapter")


class WritableCaches(Control[NoParameters]):
    key = "writable-caches"
    title = "Caches of GPU frameworks lie where the image declares that it writes"
    why = (
        "With a read-only root a framework fails at the first model or kernel that it wants to keep, hours "
        "after the start, or compiles the same again in each process."
    )
    remedy = "point the variable below a path of `writable:` or a `state:` with mode rw"
    foreign_remedy = "point the variable at a tmpfs or a volume"
    severity = Severity.LOW
    references = (nist("4.4.4"),)

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        spec = context.known_plan().spec
        places = [item.path for item in spec.writable]
        places += [item.path for item in spec.state if item.mode == "rw"]
        for name, value in image.config.env:
            if name in CACHES and not any(f"{value}/".startswith(f"{place}/") for place in places):
                yield Finding(message=f"variable {name} is '{value}', where nothing is declared writable")


CACHES = frozenset({*gpu.CODE_CACHES, *gpu.DATA_CACHES})
TALKING = {
    "huggingface-hub": ("HF_HUB_DISABLE_TELEMETRY",),
    "onnxruntime": ("ORT_DISABLE_TELEMETRY",),
    "onnxruntime-gpu": ("ORT_DISABLE_TELEMETRY",),
    "vllm": ("DO_NOT_TRACK", "VLLM_NO_USAGE_STATS"),
}
"""Wheels that report home unless told not to -> the variables that tell them."""
YES = frozenset({"1", "true", "yes", "on"})


class TelemetryOff(Control[NoParameters]):
    key = "telemetry-off"
    title = "Frameworks that report home are told not to"
    why = (
        "Some frameworks send usage data as soon as they are imported, and write an identity of the machine "
        "below HOME for it: traffic that nobody expects out of a hardened service."
    )
    remedy = "set the variable to 1 under `env:` in image.yaml"
    foreign_remedy = "set the variable to 1 by ENV"
    severity = Severity.LOW
    references = (nist("4.4.2"), cwe("497"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        missing = dict.fromkeys((name for name, _ in self._missing(image)), "1")
        return image.replace(config=image.config.with_env(**missing)) if missing else image

    def _missing(self, image: Image) -> Iterator[tuple[str, str]]:
        for wheel in inventory(image).wheels:
            for name in TALKING.get(wheel.name, ()):
                if (image.config.env_value(name) or "").lower() not in YES:
                    yield name, wheel.name

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for name, wheel in self._missing(image):
            yield Finding(message=f"variable {name} is not 1, so that '{wheel}' reports home")
