"""Programs that serve people at a machine, not a service: logging in, compiling, debugging."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from pydantic import Field

from builder.controls import passwd
from builder.controls.edit import mend, without
from builder.controls.frame import Context, Control
from builder.controls.inventory import inventory
from builder.controls.lists import (
    COMPILERS,
    DEBUGGERS,
    HEADERS,
    REMOTE_ACCESS,
    REMOTE_ACCESS_PACKAGES,
    REMOTE_ACCESS_PORTS,
)
from builder.controls.programs import find, is_program
from builder.controls.references import cidg, cis, docker_stig, gpos, nist, srg, trivy
from builder.controls.survey import Placed, survey
from builder.controls.unwanted import Allowed, NoPrograms
from builder.model import jit
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.tree import Entry, Kind


class NoRemoteAccess(NoPrograms):
    key = "no-remote-access"
    title = "Nobody can log in: no server for it, and no port of one"
    why = (
        "A second way in has its own keys, its own bugs and its own log, and none of them is watched. "
        "Whoever may look into a container asks the engine or the cluster."
    )
    remedy = "leave out the server and its port; look inside with the dev profile or an ephemeral container"
    foreign_remedy = "leave out the server and its port; look inside with an ephemeral container"
    severity = Severity.HIGH
    references = (
        cis("5.7"),
        nist("4.1.2"),
        gpos("SV-263652"),
        cidg("CCI-000381"),
        docker_stig("DKER-EE-001970"),
        trivy("DS-0004"),
    )
    families = REMOTE_ACCESS

    def audit(self, image: Image, parameters: Allowed, context: Context) -> Iterable[Finding]:
        yield from super().audit(image, parameters, context)
        there = inventory(image).debs.keys() & REMOTE_ACCESS_PACKAGES.names
        for name in sorted(there.difference(parameters.allow)):
            yield Finding(message=f"package '{name}' {REMOTE_ACCESS_PACKAGES.what}")
        for port in image.config.ports:
            what = REMOTE_ACCESS_PORTS.get(passwd.identifier(port.partition("/")[0]) or 0)
            if what is not None and port.partition("/")[0] not in parameters.allow:
                yield Finding(message=f"port {port} is exposed, which is for {what}")


class CompilerParameters(Allowed):
    jit: bool = Field(
        default=False,
        description="compile while running, as `jit: true` in image.yaml: then what that needs must be there",
    )


TRIPLET = re.compile(r"^(?:x86_64|aarch64|i686)-(?:pc-)?linux-(?:gnu|musl)-|-[0-9]+(?:\.[0-9]+)*$")
KINDS = {name: family.what for family in COMPILERS for name in family.names}
C_COMPILERS = ("cc", "gcc", "clang")


def is_of_no_use(path: str) -> bool:
    """Whether it is a wheel's, where nobody looks who compiles while running: PyTorch brings protoc, say."""
    _, below, package = path.partition("-packages/")
    return bool(below) and not jit.is_read(package)


class NoCompilers(Control[CompilerParameters]):
    key = "no-compilers"
    title = "No compiler, linker or header is there, or all that compiling at run time needs"
    why = (
        "With a compiler an intruder builds tools for exactly this machine. Where a framework compiles its "
        "kernels while it runs, half a tool chain fails at the first request instead of the build."
    )
    remedy = "leave out gcc, binutils and -dev packages; or say `jit: true` in image.yaml"
    foreign_remedy = (
        "leave out gcc, binutils and -dev packages; or say {jit: true} and bring the whole tool chain"
    )
    severity = Severity.MEDIUM
    references = (cidg("CCI-000381"), srg("SRG-APP-000141-CTR-000315"), nist("4.1.2"))
    parameters = CompilerParameters

    def enforce(self, image: Image, parameters: CompilerParameters, context: Context) -> Image:
        needed = self._is_needed(parameters, context)

        def removed(entry: Entry) -> Entry | None:
            if needed and not is_of_no_use(entry.path):
                return entry
            return None if self._what(entry, parameters) else entry

        image = mend(image, removed)
        return image if needed else without(image, [path for path in HEADERS if self._headers(image, path)])

    def _is_needed(self, parameters: CompilerParameters, context: Context) -> bool:
        return parameters.jit or (context.plan is not None and context.plan.spec.jit)

    def _what(self, entry: Entry, parameters: CompilerParameters) -> str | None:
        name = TRIPLET.sub("", TRIPLET.sub("", entry.path.rpartition("/")[2]))
        what = KINDS.get(name)
        if what is None or name in parameters.allow or not is_program(entry):
            return None
        return what

    def _headers(self, image: Image, path: str) -> int:
        return sum(1 for entry in image.rootfs.below(path) if entry.kind is Kind.FILE)

    def audit(self, image: Image, parameters: CompilerParameters, context: Context) -> Iterable[Finding]:
        if self._is_needed(parameters, context):
            yield from self._lacking(image)
            return
        for placed in self._programs(image):
            what = self._what(placed.entry, parameters)
            if what is not None:
                yield placed.finding(what)
        for path, count in Counter({path: self._headers(image, path) for path in HEADERS}).items():
            if count:
                yield Finding(message=f"{path} holds headers for compilers ({count} files)", path=path)

    def _programs(self, image: Image) -> Iterator[Placed]:
        found = survey(image)
        for name in found.names():
            if TRIPLET.sub("", TRIPLET.sub("", name)) in KINDS:
                yield from found.named(name)

    def _lacking(self, image: Image) -> Iterator[Finding]:
        """What Triton and Inductor start: a C compiler on the PATH, the C library's headers, ptxas."""
        compilers = [entry for name in C_COMPILERS if (entry := find(image, name)) is not None]
        if not compilers:
            yield Finding(message=f"none of {', '.join(C_COMPILERS)} is on the PATH, though `jit` needs one")
        for entry in compilers[:1]:
            if entry.uid != 0 or entry.mode & 0o022:
                yield Placed(entry).finding("compiles at run time but is not root's alone")
        if not any(self._headers(image, path) for path in HEADERS):
            yield Finding(message=f"{HEADERS[0]} holds no headers, though `jit` needs the C library's")
        wheels = {wheel.name for wheel in inventory(image).wheels}
        if "triton" in wheels and not any(is_program(one.entry) for one in survey(image).named("ptxas")):
            yield Finding(message="no ptxas is in the image, though `jit` needs it for Triton")


class NoDebuggers(NoPrograms):
    key = "no-debuggers"
    title = "No debugger, tracer or sniffer is in the image"
    why = "They read the memory and the traffic of the service beside them: keys, prompts and answers."
    remedy = "leave out the package; debug with the dev profile or an ephemeral container"
    foreign_remedy = "leave out the package; debug in an ephemeral container"
    severity = Severity.LOW
    references = (cidg("CCI-000381"), nist("4.1.2"))
    families = DEBUGGERS
