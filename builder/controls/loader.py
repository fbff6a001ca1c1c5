"""What ELF files tell the kernel and the loader."""

from collections.abc import Iterable, Iterator

from pydantic import Field

from builder.controls.frame import Context, Control
from builder.controls.ownership import search_fault
from builder.controls.programs import inside
from builder.controls.references import cwe, gpos, manual
from builder.controls.survey import Placed
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.spec import Strings
from builder.model.tree import Elf, Entry


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
