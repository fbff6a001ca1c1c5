"""Whoever gets an image can read what is in it."""

from collections.abc import Iterable, Iterator

from builder.controls.frame import Context, Control, NoParameters
from builder.controls.references import eo, nist
from builder.model.image import Image
from builder.model.lock import LockedPlatform
from builder.model.package import normal
from builder.model.report import Finding, Severity
from builder.model.sbom import StatedSbom


class CompleteSbom(Control[NoParameters]):
    key = "complete-sbom"
    title = "An SBOM in SPDX and CycloneDX is about this image and names what the lock does"
    why = (
        "A list of contents that is missing, of another build, or short of a package answers 'are we "
        "affected' with no where it should say yes."
    )
    remedy = "build the image again: `temper build` writes the SBOM beside the layout"
    severity = Severity.MEDIUM
    references = (eo("4(e)(vii)"), nist("4.1.1"))

    looks_beside = True

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        lock = context.known_lock()
        for stated in context.known_sboms():
            if stated.problem:
                yield Finding(message=f"{stated.file} {stated.problem}")
            elif stated.digest != image.digest:
                yield Finding(message=f"{stated.file} is about another image, {stated.digest}")
            else:
                yield from self._compared(stated, lock)

    def _compared(self, stated: StatedSbom, lock: LockedPlatform) -> Iterator[Finding]:
        locked = {("deb", one.name, one.version) for one in lock.packages}
        locked |= {("wheel", normal(one.name), one.version) for one in lock.wheels}
        for what, name, version in sorted(locked - stated.packages):
            yield Finding(message=f"{stated.file} lacks {what} '{name}' {version}, which is locked")
        for what, name, version in sorted(stated.packages - locked):
            yield Finding(message=f"{stated.file} names {what} '{name}' {version}, which isn't locked")
