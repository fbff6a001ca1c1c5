"""What the image holds can be started: no library and no interpreter was left out."""

import re
from collections.abc import Iterable, Iterator
from fnmatch import translate

from pydantic import Field

from builder.controls.edit import mend, without
from builder.controls.frame import Context, Control, NoParameters
from builder.controls.lists import PLUGINS
from builder.controls.programs import search_path
from builder.controls.references import cwe, manual, nist
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.spec import Strings
from builder.model.tree import Entry, Rootfs
from builder.rootfs.closure import MACHINES, Missing, missing, missing_interpreters
from builder.rootfs.imported import lacking_after_imports
from builder.rootfs.sonames import packages_of

NVIDIA_DRIVER = (
    "libcuda.so.*",
    "libcudadebugger.so.*",
    "libnvcuvid.so.*",
    "libnvidia-*.so.*",
    "libnvoptix.so.*",
    "libvdpau_nvidia.so.*",
    "libGLX_nvidia.so.*",
    "libEGL_nvidia.so.*",
)
"""What the NVIDIA container runtime mounts from the host, with any of the driver's capabilities."""


_PLUGIN = re.compile("|".join(map(translate, PLUGINS)))


def is_plugin(path: str) -> bool:
    """Whether nobody misses the library where it can't be loaded."""
    return _PLUGIN.match(path.rpartition("/")[2]) is not None


def gaps(
    rootfs: Rootfs,
    *,
    machine: str | None,
    library_path: str | None,
    brought_by_host: Iterable[str] = NVIDIA_DRIVER,
) -> Iterator[Missing]:
    """Every library that is not found, neither by the loader nor because somebody has loaded it before.

    `library_path` is LD_LIBRARY_PATH as it is set.
    """
    folders = tuple(folder for folder in (library_path or "").split(":") if folder)
    found = missing(rootfs, machine=machine, library_path=folders, brought_by_host=brought_by_host)
    for gap in lacking_after_imports(rootfs, found):
        beside = f"{gap.path.rpartition('/')[0]}/{gap.soname}"
        if not (is_plugin(gap.path) and beside in rootfs):
            yield gap


class ClosureParameters(Strict):
    brought_by_host: Strings = Field(
        default=NVIDIA_DRIVER,
        description="patterns of library names that the engine mounts at run time, such as a GPU driver's",
    )


class ElfClosure(Control[ClosureParameters]):
    key = "elf-closure"
    title = "Every library that a program or module needs is in the image"
    why = (
        "A package left out to make the image smaller shows up as a crash in production, at the first "
        "import that needs it. A library found in an unexpected place is an attack."
    )
    remedy = "add the package that brings the library to `packages:` in image.yaml"
    foreign_remedy = "install the package that brings the library, or leave out what needs it"
    severity = Severity.HIGH
    references = (manual("ld.so(8)"), nist("4.1.2"), cwe("427"))
    parameters = ClosureParameters

    def _gaps(self, image: Image, parameters: ClosureParameters) -> Iterator[Missing]:
        return gaps(
            image.rootfs,
            machine=MACHINES.get(image.config.platform),
            library_path=image.config.env_value("LD_LIBRARY_PATH"),
            brought_by_host=parameters.brought_by_host,
        )

    def enforce(self, image: Image, parameters: ClosureParameters, context: Context) -> Image:
        """A plug-in that can't be loaded goes; everything else is for a person to decide."""
        if not any(is_plugin(path) for path in image.rootfs):
            return image
        return without(image, {gap.path for gap in self._gaps(image, parameters) if is_plugin(gap.path)})

    def audit(self, image: Image, parameters: ClosureParameters, context: Context) -> Iterable[Finding]:
        for gap in self._gaps(image, parameters):
            message = f"{gap.path} needs '{gap.soname}', which the loader doesn't find in the image"
            likely = packages_of(gap.soname)
            hint = f"; the package is likely '{likely[0]}'" if likely else ""
            yield Finding(message=message + hint, path=gap.path)


class InterpreterClosure(Control[NoParameters]):
    key = "interpreter-closure"
    title = "Every executable script has its interpreter"
    why = (
        "A script without its interpreter fails with a confusing 'no such file', and one whose interpreter "
        "somebody can put there later runs what they like."
    )
    remedy = "add the interpreter's package, or leave the script out"
    severity = Severity.MEDIUM
    references = (manual("execve(2)"), nist("4.1.2"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        """Commands that can't start go; elsewhere it is a module, which loses its execute bits."""
        lost = {gap.path for gap in missing_interpreters(image.rootfs, search_path(image))}

        def disarmed(entry: Entry) -> Entry | None:
            if entry.path not in lost:
                return entry
            folder = entry.path.rpartition("/")[0].rpartition("/")[2]
            return None if folder in ("bin", "sbin") else entry.replace(mode=entry.mode & ~0o111)

        return mend(image, disarmed) if lost else image

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for gap in missing_interpreters(image.rootfs, search_path(image)):
            message = f"{gap.path} is a script for '{gap.soname}', which is not in the image"
            yield Finding(message=message, path=gap.path)
