"""Kernel parameters: told to the engine, and nowhere pretended."""

import re
from collections.abc import Iterable, Iterator

from builder.controls.edit import without
from builder.controls.frame import Context, NoParameters
from builder.controls.launch import Launch
from builder.controls.references import manual, nist, pod_security
from builder.controls.runtime import RunControl
from builder.model.contract import RunContract
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.scheduling import SAFE
from builder.model.tree import Kind

FILES = re.compile(r"etc/sysctl\.conf|(etc|run|usr/lib|usr/local/lib|lib)/sysctl\.d/[^/]+\.conf")
"""What systemd-sysctl(8) and sysctl(8) apply when a machine starts."""


class DeclaredSysctls(RunControl):
    key = "declared-sysctls"
    title = "Kernel parameters are those of the run contract; no file in the image pretends to set them"
    why = (
        "Nothing in a container applies /etc/sysctl.d: whoever relies on such a file runs without it and is "
        "not told. What the run files set beyond the contract nobody decided."
    )
    remedy = "set it by `sysctls:` in the profile's `run:`; leave the file out"
    foreign_remedy = "set it by --sysctl where the container is started; leave the file out"
    severity = Severity.LOW
    references = (manual("sysctl.d(5)"), pod_security("baseline: sysctls"), nist("4.4.3"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        return without(image, list(self._idle(image)))

    def _idle(self, image: Image) -> Iterator[str]:
        for path, entry in image.rootfs.items():
            if entry.kind is not Kind.DIRECTORY and "sysctl" in path and FILES.fullmatch(path):
                yield path

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        idle = [Finding(message=f"{path} is applied by nothing", path=path) for path in self._idle(image)]
        yield from idle
        if context.contract is not None or not idle:  # else what was found is not lost for what is unknown
            yield from super().audit(image, parameters, context)

    def faults(self, launch: Launch, contract: RunContract, image: Image) -> Iterator[str]:
        wanted = dict(contract.sysctls)
        if launch.engine == "kubernetes":  # a namespace that keeps to Pod Security takes no others
            wanted = {name: value for name, value in wanted.items() if name in SAFE}
        for name in sorted(wanted.keys() | launch.sysctls.keys()):
            found = launch.sysctls.get(name)
            if name not in wanted:
                yield f"sets {name} to '{found}', which the contract doesn't"
            elif found is None:
                yield f"leaves out {name}"
            elif found != wanted[name]:
                yield f"sets {name} to '{found}', the contract says '{wanted[name]}'"
