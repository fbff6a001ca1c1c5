"""More of what the image tells an engine: its volumes, its GPU, its end."""

from collections.abc import Iterable, Iterator

from pydantic import Field

from builder.controls.frame import Context, Control, NoParameters
from builder.controls.programs import inside
from builder.controls.references import cwe, dockle, manual, nist, nvidia, oci, trivy
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.spec import Strings

SYSTEM_FOLDERS = frozenset(
    {
        "bin",
        "boot",
        "dev",
        "etc",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "proc",
        "root",
        "run",
        "sbin",
        "sys",
        "usr",
    }
    | {"var/lib/dpkg", "var/run"}
)
"""Engine's, kernel's and distribution's own: by the Filesystem Hierarchy Standard no place for data."""
WHOLE = frozenset({"", "home", "opt", "var", "var/lib", "tmp"})
"""Folders that are no volume as a whole, though one may lie below them."""


class NoSystemVolumes(Control[NoParameters]):
    key = "no-system-volumes"
    title = "No volume lies over system folders"
    why = (
        "An engine makes every declared volume writable, even with a read-only root: over /usr or /etc it "
        "turns the image's own programs and accounts into something that can be changed and that stays."
    )
    remedy = "drop VOLUME for this path; keep data below a folder of its own, such as /data or /var/lib/app"
    severity = Severity.MEDIUM
    references = (dockle("DKL-DI-0002"), trivy("DS-0030"), nist("4.4.4"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        kept = tuple(path for path in image.config.volumes if not self._is_system(path))
        if kept == image.config.volumes:
            return image
        return image.replace(config=image.config.replace(volumes=kept))

    def _is_system(self, path: str) -> bool:
        place = path.strip("/")
        return place in WHOLE or inside(place, SYSTEM_FOLDERS)

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for path in image.config.volumes:
            if self._is_system(path):
                yield Finding(message=f"volume '{path}' lies over a system folder", path=path.strip("/"))


VISIBLE = ("NVIDIA_VISIBLE_DEVICES", "AMD_VISIBLE_DEVICES")
CAPABILITIES = "NVIDIA_DRIVER_CAPABILITIES"
NONE = frozenset({"", "none", "void"})
MODES = (
    "NVIDIA_DISABLE_REQUIRE",
    "NVIDIA_GDRCOPY",
    "NVIDIA_GDS",
    "NVIDIA_IMEX_CHANNELS",
    "NVIDIA_MIG_CONFIG_DEVICES",
    "NVIDIA_MIG_MONITOR_DEVICES",
    "NVIDIA_MOFED",
    "NVIDIA_NVSWITCH",
)
"""Each asks the driver's hook for further devices, or to skip a check."""


class GpuParameters(Strict):
    capabilities: Strings = Field(
        default=(),
        description="parts of the driver that may be asked for beside those of `gpu:` in image.yaml",
    )


class GpuRequest(Control[GpuParameters]):
    key = "gpu-request"
    title = "The image asks for no GPU by itself, and for no more of the driver than declared"
    why = (
        "NVIDIA_VISIBLE_DEVICES=all in an image hands every GPU of the host to every container of it, "
        "without a word in the run command, wherever NVIDIA's runtime is the default."
    )
    remedy = "unset the variable; say what the program needs under `gpu:` in image.yaml"
    foreign_remedy = "unset the variable; name devices where the container is started"
    severity = Severity.MEDIUM
    references = (nvidia("environment variables"), cwe("250"))
    parameters = GpuParameters

    def enforce(self, image: Image, parameters: GpuParameters, context: Context) -> Image:
        declared = self._declared(parameters, context)
        wrong = dict(self._faults(image, declared))
        if not wrong:
            return image
        env = tuple((name, value) for name, value in image.config.env if name not in wrong)
        image = image.replace(config=image.config.replace(env=env))
        if CAPABILITIES in wrong and declared:
            image = image.replace(config=image.config.with_env(**{CAPABILITIES: ",".join(declared)}))
        return image

    def _declared(self, parameters: GpuParameters, context: Context) -> tuple[str, ...]:
        """By the profile, and by `gpu:` of image.yaml."""
        gpu = context.plan.spec.gpu if context.plan is not None else None
        own = gpu.capabilities if gpu is not None and gpu.vendor == "nvidia" else ()
        return tuple(dict.fromkeys((*parameters.capabilities, *own)))

    def _faults(self, image: Image, declared: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        env = dict(image.config.env)
        for name in VISIBLE:
            if env.get(name, "") not in NONE:
                yield name, f"is '{env[name]}', which opens GPUs that nobody asked for at the start"
        for name in MODES:
            if name in env:
                yield name, f"is '{env[name]}', which asks the driver for more than computing"
        asked = [part for part in env.get(CAPABILITIES, "").split(",") if part]
        extra = [part for part in asked if part not in declared]
        if extra:
            yield CAPABILITIES, f"asks for '{','.join(extra)}', which nobody declared"
        if "CUDA_VERSION" in env and "NVIDIA_REQUIRE_CUDA" not in env:
            yield "CUDA_VERSION", "stands alone, which NVIDIA's runtime takes for a request of all GPUs"

    def audit(self, image: Image, parameters: GpuParameters, context: Context) -> Iterable[Finding]:
        for name, problem in self._faults(image, self._declared(parameters, context)):
            yield Finding(message=f"variable {name} {problem}")


SIGNALS = (
    *("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE"),
    *("ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ"),
    *("VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"),
)
"""In the kernel's order from 1 on (signal(7), x86 and ARM)."""
UNSTOPPABLE = ("KILL", "STOP")


class StopSignal(Control[NoParameters]):
    key = "stop-signal"
    title = "The image says with which signal it ends, and its program heeds it"
    why = (
        "The kernel drops signals that a first process has no handler for: such a service is killed ten "
        "seconds after every stop, in the middle of whatever it was writing."
    )
    remedy = "set stop-signal to one that the program handles; Python without a handler of its own has SIGINT"
    foreign_remedy = (
        "set STOPSIGNAL to one that the program handles; Python without a handler of its own has SIGINT"
    )
    severity = Severity.LOW
    references = (oci("config: StopSignal"), manual("signal(7)"), manual("pid_namespaces(7)"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        if self._fault(image, context) is None:
            return image
        wanted = context.plan.spec.stop_signal if context.plan is not None else "SIGTERM"
        return image.replace(config=image.config.replace(stop_signal=wanted))

    def _fault(self, image: Image, context: Context) -> str | None:
        text = image.config.stop_signal
        name = text.upper().removeprefix("SIG")
        if name.isdecimal() and 0 < int(name) <= len(SIGNALS):
            name = SIGNALS[int(name) - 1]
        if not text:
            return "no stop signal is set, so that each engine takes its own"
        if name in UNSTOPPABLE:
            return f"the stop signal is '{text}', which no program can handle"
        if name not in SIGNALS and not name.startswith(("RTMIN", "RTMAX")):
            return f"the stop signal '{text}' does not exist"
        if context.plan is not None and text != context.plan.spec.stop_signal:
            return f"the stop signal is '{text}', image.yaml says '{context.plan.spec.stop_signal}'"
        return None

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        fault = self._fault(image, context)
        if fault is not None:
            yield Finding(message=fault)
