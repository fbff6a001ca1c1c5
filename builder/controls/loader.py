"""What ELF files, variables and folders tell the loader."""

from collections.abc import Iterable, Iterator

from pydantic import Field

from builder.controls.edit import without
from builder.controls.frame import Context, Control, NoParameters
from builder.controls.ownership import search_fault
from builder.controls.programs import inside
from builder.controls.references import cwe, gpos, manual, nvidia
from builder.controls.survey import Placed
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.spec import Strings
from builder.model.tree import Elf, Entry, Kind
from builder.rootfs.closure import TRIPLETS, listed_folders


class ElfParameters(Strict):
    allow: Strings = Field(default=(), description="paths, with all below, whose files may be otherwise")


class ElfHardening(Control[ElfParameters]):
    key = "elf-hardening"
    title = "No program or library has an executable stack, or searches libraries where the user can put some"
    why = (
        "One library with an executable stack makes the stack of the whole process executable, so that a "
        "buffer overflow runs what it wrote; a relative or writable RPATH loads whatever lies there."
    )
    remedy = "build it with -z noexecstack and an RPATH below $ORIGIN, or take the distribution's build of it"
    severity = Severity.MEDIUM
    references = (gpos("SV-203754"), manual("ld.so(8)"), cwe("426"), cwe("119"))
    parameters = ElfParameters

    def audit(self, image: Image, parameters: ElfParameters, context: Context) -> Iterable[Finding]:
        allowed = frozenset(path.strip("/") for path in parameters.allow)
        for entry in image.rootfs.files():
            facts = entry.content.facts.elf if entry.content is not None else None
            if facts is None or not (facts.executable_stack or facts.rpath or facts.runpath):
                continue
            if not inside(entry.path, allowed):
                yield from self._faults(image, entry, facts, context)

    def _faults(self, image: Image, entry: Entry, facts: Elf, context: Context) -> Iterator[Finding]:
        if facts.executable_stack:
            yield Placed(entry).finding("asks for an executable stack")
        for folder in (*facts.rpath, *facts.runpath):
            fault = search_fault(image, expanded(folder, entry), context)
            if fault is not None:
                yield Placed(entry).finding(f"searches libraries in '{folder}', which {fault}")


def expanded(folder: str, entry: Entry) -> str:
    """`$ORIGIN/../lib` as an absolute path, without `..`; other tokens stay, and name no real folder."""
    origin = "/" + entry.path.rpartition("/")[0]
    text = folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin)
    if not text.startswith("/"):
        return text
    parts: list[str] = []
    for part in text.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


PRELOAD = "etc/ld.so.preload"
STEERING = frozenset(
    (
        *("GCONV_PATH", "GLIBC_TUNABLES", "LD_AUDIT", "LD_DEBUG", "LD_DEBUG_OUTPUT", "LD_ORIGIN_PATH"),
        *("LD_PRELOAD", "LD_PROFILE", "LD_PROFILE_OUTPUT"),
    )
)
"""ld.so(8), iconv(1): what of the environment loads code or changes how it is loaded. LD_LIBRARY_PATH is
`safe-path`'s, as many need it."""


class EnvironmentParameters(Strict):
    allow: Strings = Field(default=(), description="variables that may be set: LD_PRELOAD for an allocator")


class LoaderEnvironment(Control[EnvironmentParameters]):
    key = "loader-environment"
    title = "Neither a variable nor a file makes every process load more code"
    why = (
        "LD_PRELOAD of an image ran as root of the host in the hooks of NVIDIA's runtime (CVE-2025-23266), "
        "and it runs in every program that is started in the container."
    )
    remedy = "unset the variable, remove /etc/ld.so.preload; allow what an allocator needs in the profile"
    severity = Severity.HIGH
    references = (manual("ld.so(8)"), nvidia("createContainer hooks"), cwe("426"))
    parameters = EnvironmentParameters

    def enforce(self, image: Image, parameters: EnvironmentParameters, context: Context) -> Image:
        wrong = STEERING.difference(parameters.allow)
        kept = tuple((name, value) for name, value in image.config.env if name not in wrong)
        if len(kept) < len(image.config.env):
            image = image.replace(config=image.config.replace(env=kept))
        return without(image, [PRELOAD]) if PRELOAD in image.rootfs else image

    def audit(self, image: Image, parameters: EnvironmentParameters, context: Context) -> Iterable[Finding]:
        for name, value in image.config.env:
            if name in STEERING.difference(parameters.allow):
                yield Finding(message=f"variable {name} is '{value}', which every process obeys")
        entry = image.rootfs.get(PRELOAD)
        if entry is not None:
            yield Placed(entry).finding("is loaded into every process")


PLAIN = ("etc/ld.so.conf", "etc/ld.so.conf.d", "etc/ld.so.cache")
"""Written by root of the host: a link in their place once led out of the container (CVE-2024-0134)."""
LINKED = (
    *(
        "dev",
        "lib",
        "lib64",
        "lib/firmware",
        "proc",
        "run",
        "sys",
        "usr/lib",
        "usr/lib64",
        "usr/lib/firmware",
    ),
    *("usr/local/cuda", "usr/local/lib"),
)
"""Where runtimes mount and write: links, as merged /usr has them, must lead to a folder inside."""
DEVICE_VOLUMES = ("run/nvidia-container-devices", "var/run/nvidia-container-devices")
"""By entries of this folder NVIDIA's runtime takes a request of devices."""


class LoaderFolders(Control[NoParameters]):
    key = "loader-folders"
    title = "What a GPU's runtime writes as root are plain files, and libraries lie in root's folders only"
    why = (
        "A GPU's runtime puts libraries, links and the loader's cache into the container as root of the "
        "host, by the image's own paths: a link there has led it out of the container more than once."
    )
    remedy = "make it a plain file or folder of root; take the folder out of /etc/ld.so.conf.d"
    severity = Severity.HIGH
    references = (manual("ldconfig(8)"), nvidia("update-ldcache"), cwe("59"), cwe("427"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        there = [path for path in DEVICE_VOLUMES if path in image.rootfs]
        return without(image, there) if there else image

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for path, fault in (*self._links(image), *self._folders(image, context)):
            yield Finding(message=f"{path} {fault}", path=path)
        for path in DEVICE_VOLUMES:
            if path in image.rootfs:
                yield Finding(message=f"{path} asks NVIDIA's runtime for devices", path=path)

    def _links(self, image: Image) -> Iterator[tuple[str, str]]:
        for path in PLAIN:
            entry = image.rootfs.get(path)
            if entry is not None and entry.kind is Kind.SYMLINK:
                yield path, f"is a link to '{entry.target}', not a plain one"
        for path in LINKED:
            entry = image.rootfs.get(path)
            if entry is None or entry.kind is not Kind.SYMLINK:
                continue
            there = image.rootfs.resolve(path)
            depth = 0 if entry.target.startswith("/") else path.count("/")
            if there is None or there.kind is not Kind.DIRECTORY or climbs(entry.target, depth):
                yield path, f"is a link to '{entry.target}', which is no folder inside the image"

    def _folders(self, image: Image, context: Context) -> Iterator[tuple[str, str]]:
        default = (
            "/lib",
            "/lib64",
            "/usr/lib",
            "/usr/lib64",
            *(f"/usr/lib/{name}" for name in TRIPLETS.values()),
        )
        for folder in dict.fromkeys((*default, *listed_folders(image.rootfs))):
            entry = image.rootfs.resolve(folder)
            fault = search_fault(image, folder, context)
            if fault is None and entry is not None and (entry.uid or entry.mode & 0o022):
                fault = f"is not root's alone to write (uid {entry.uid}, mode {entry.mode:04o})"
            if fault is not None:
                yield folder.strip("/"), f"{fault}, and libraries are looked for in it"


def climbs(target: str, depth: int) -> bool:
    """Whether a link at this depth has more `..` than there are folders above it: a chroot would stop it, and
    who follows it from outside would not."""
    for step in target.split("/"):
        depth += -1 if step == ".." else 1 if step not in ("", ".") else 0
        if depth < 0:
            return True
    return False
