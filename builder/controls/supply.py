"""The image is what the lock says, nothing besides, and a scanner can see it."""

import base64
from collections.abc import Iterable, Iterator

from pydantic import Field

from builder.controls.edit import flattened, with_rootfs
from builder.controls.frame import Context, Control, NoParameters
from builder.controls.inventory import (
    DIST_INFO,
    OTHER_DATABASES,
    STATUS_FILE,
    STATUS_FOLDER,
    inventory,
    record_rows,
)
from builder.controls.passwd import read_text, text_of
from builder.controls.programs import inside
from builder.controls.references import cidg, cis, cwe, nist, oci, srg
from builder.controls.survey import hidden
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.package import normal
from builder.model.report import Finding, Severity
from builder.model.spec import Strings
from builder.model.tree import Bytes, Entry, Kind, Rootfs, parents


class SafeArchive(Control[NoParameters]):
    key = "safe-archive"
    title = "No entry of a layer leads out of the tree or hides another"
    why = (
        "Absolute and '..' names, entries behind links and duplicates land in places that depend on the "
        "program that unpacks them: on the engine's host in the worst case, unseen by scanners in the best."
    )
    remedy = "write the layer again with normal names, each once, below directories only"
    severity = Severity.HIGH
    references = (nist("4.1.2"), oci("layer"), cwe("22"), cwe("59"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        """Entries that no directory holds go; flattening writes the rest anew."""
        lost = [path for path in image.rootfs if self._fault(image.rootfs, path) is not None]
        image = with_rootfs(image, image.rootfs.without(lost))
        return flattened(image) if any(layer.problems for layer in image.layers) else image

    def _fault(self, rootfs: Rootfs, path: str) -> str | None:
        above, _, name = path.rpartition("/")
        if name in ("", ".", "..") or path.startswith(("/", "./", "../")):
            return "has a name that leads elsewhere"
        if not above:
            return None
        parent = rootfs.get(above)
        if parent is None:
            return "lies in a directory that isn't in the image"
        return None if parent.kind is Kind.DIRECTORY else f"lies below a {parent.kind}"

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for layer in image.layers:
            where = layer.digest or layer.name
            for problem in layer.problems:
                yield Finding(message=f"{problem}, in layer {where}", layer=where)
        for path in image.rootfs:
            fault = self._fault(image.rootfs, path)
            if fault is not None:
                yield Finding(message=f"{path} {fault}", path=path)


class NoShadowedContent(Control[NoParameters]):
    key = "no-shadowed-content"
    title = "No layer holds what a later one replaces or hides"
    why = (
        "Deleted and replaced files stay in the layers below: old, vulnerable versions and secrets that "
        "anyone can unpack, while scanners of the merged tree don't see them."
    )
    remedy = "flatten the image, or remove the file in the layer that brings it"
    severity = Severity.MEDIUM
    references = (srg("SRG-APP-000454-CTR-001110"), cidg("CCI-002617"), nist("4.1.4"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        return image if next(iter(self.audit(image, parameters, context)), None) is None else flattened(image)

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        for layer in image.layers:
            where = layer.digest or layer.name
            for path in layer.whiteouts:
                yield Finding(message=f"{path} is hidden by layer {where}", path=path, layer=where)
        for placed in hidden(image):
            yield placed.finding("is not what the image shows there")


class ScannerMetadata(Control[NoParameters]):
    key = "scanner-metadata"
    title = "Scanners can tell the distribution, every package and every wheel"
    why = (
        "Without os-release and package records a vulnerability scanner reports nothing and exits 0: the "
        "image looks clean because it can't be read."
    )
    remedy = (
        "keep os-release, /var/lib/dpkg/status.d (or status) and the .dist-info folders of wheels; a RECORD "
        "lists what is there"
    )
    severity = Severity.HIGH
    references = (cis("4.4"), srg("SRG-APP-000516-CTR-001335"), nist("4.1.1"))

    def enforce(self, image: Image, parameters: NoParameters, context: Context) -> Image:
        """What other controls took out of a wheel is taken out of its RECORD too."""
        rootfs = image.rootfs
        folders = [path for path in rootfs if path.endswith(".dist-info") and DIST_INFO.search(path)]
        honest = [entry for folder in folders if (entry := self._honest(rootfs, folder)) is not None]
        return with_rootfs(image, rootfs.with_entries(honest)) if honest else image

    def _honest(self, rootfs: Rootfs, folder: str) -> Entry | None:
        """The wheel's RECORD without the files that are gone; `None` where none is."""
        record = rootfs.get(f"{folder}/RECORD")
        if record is None or record.content is None:
            return None
        rows = [*record_rows(folder, text_of(record))]
        kept = [line for path, line in rows if path in rootfs]
        if len(kept) == len(rows):
            return None
        text = "".join(f"{line}\n" for line in kept)
        return record.replace(content=Bytes(text.encode("utf-8", "surrogateescape")))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        rootfs = image.rootfs
        yield from self._release(rootfs)
        found = inventory(image)
        if not found.debs and not any(path in rootfs for path in OTHER_DATABASES):
            yield Finding(message=f"neither {STATUS_FOLDER} nor {STATUS_FILE} lists a package")
        for path in found.broken:
            yield Finding(message=f"{path} lacks Package, Version or Architecture", path=path)
        for wheel in found.wheels:
            for name in ("METADATA", "RECORD"):
                if f"{wheel.folder}/{name}" not in rootfs:
                    yield Finding(message=f"{wheel.folder} has no {name}", path=wheel.folder)
            gone = sum(path not in rootfs for path in wheel.paths)
            if gone:
                path, files = f"{wheel.folder}/RECORD", "file" if gone == 1 else "files"
                yield Finding(message=f"{path} lists {gone} {files} that the image doesn't have", path=path)

    def _release(self, rootfs: Rootfs) -> Iterator[Finding]:
        text = read_text(rootfs, "etc/os-release")
        if text is None:
            yield Finding(message="etc/os-release is missing", path="etc/os-release")
            return
        known = {line.partition("=")[0] for line in text.splitlines()}
        for name in ("ID", "VERSION_ID"):
            if name not in known:
                yield Finding(message=f"etc/os-release doesn't say {name}", path="etc/os-release")


UNRECORDED = ("etc/", "var/lib/dpkg/", "usr/local/share/ca-certificates/")
"""Where files stand that no package lists: dpkg's md5sums leave configuration files out, and Temper writes
accounts, certificates and package records. Programs and libraries are found there all the same."""


class OwnedParameters(Strict):
    declared: Strings = Field(
        default=(), description="further paths, with all below, that belong to no package"
    )


class OwnedFiles(Control[OwnedParameters]):
    key = "owned-files"
    title = "Every file belongs to a package, unchanged, or is declared"
    why = (
        "A file that no package and no declaration accounts for is either forgotten or planted: nobody "
        "updates it, no scanner knows it, and nobody can say what it is for."
    )
    remedy = "declare it under `files:` in image.yaml, install it from a package, or leave it out"
    foreign_remedy = "install it from a package, leave it out, or waive this for what COPY brings"
    severity = Severity.MEDIUM
    references = (cis("4.3"), srg("SRG-APP-000141-CTR-000315"), nist("4.1.5"))
    parameters = OwnedParameters

    def audit(self, image: Image, parameters: OwnedParameters, context: Context) -> Iterable[Finding]:
        owned = inventory(image).files
        declared = self._declared(parameters, context)
        strangers = []
        for entry in image.rootfs.files():
            path = entry.path
            if path in owned or inside(path, declared):
                continue
            facts = entry.content.facts if entry.content is not None else None
            if not path.startswith(UNRECORDED) or (facts is not None and facts.elf is not None):
                strangers.append(path)
        yield from self._folded(strangers, image)
        yield from self._changed(image)

    def _declared(self, parameters: OwnedParameters, context: Context) -> frozenset[str]:
        paths = [*parameters.declared]
        if context.plan is not None:
            paths += [spec.target for spec in context.plan.spec.files]
        return frozenset(path.strip("/") for path in paths)

    def _folded(self, strangers: list[str], image: Image) -> Iterator[Finding]:
        """A folder that holds nothing else is named once."""
        if not strangers:
            return
        lone = set(strangers)
        mixed: set[str] = set()
        for path, entry in image.rootfs.items():
            if entry.kind is not Kind.DIRECTORY and path not in lone:
                add_parents(path, mixed)
        counts: dict[str, int] = {}
        for path in strangers:
            folder = next((parent for parent in reversed(parents(path)) if parent not in mixed), path)
            counts[folder] = counts.get(folder, 0) + 1
        for path, files in counts.items():
            number = "" if path in lone else f" ({files} files)"
            yield Finding(message=f"{path}{number} belongs to no package and isn't declared", path=path)

    def _changed(self, image: Image) -> Iterator[Finding]:
        """dpkg records MD5 only, which would take a second reading of every file; wheels record SHA-256."""
        for path, recorded in inventory(image).hashes.items():
            entry = image.rootfs.get(path)
            if entry is not None and entry.content is not None and entry.content.sha256 != unbase64(recorded):
                yield Finding(message=f"{path} is not what its wheel recorded", path=path)


def add_parents(path: str, folders: set[str]) -> None:
    """Stops at the first that is there: what is above it is there too."""
    while (cut := path.rfind("/")) > 0:
        path = path[:cut]
        if path in folders:
            return
        folders.add(path)


def unbase64(text: str) -> str:
    """A RECORD hash as hex; what is not one stays as it is and equals nothing."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()
    except ValueError:
        return text


class PackageSet(Control[NoParameters]):
    key = "package-set"
    title = "The packages and wheels in the image are those of the lock"
    why = (
        "The lock is what was reviewed, signed for and scanned. A package more, less or in another version "
        "is an image that nobody looked at."
    )
    remedy = "lock again (temper lock), or build the image from its lock"
    foreign_remedy = (
        "compare it with what it was built from: an image without a lock has nothing else to be held to"
    )
    severity = Severity.MEDIUM
    references = (cis("4.3"), cis("4.11"), srg("SRG-APP-000131-CTR-000280"))

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        lock = context.known_lock()
        found = inventory(image)
        debs = {package.name: package.version for package in lock.packages}
        yield from self._compared(
            "package", debs, [(name, version, "") for name, version in found.debs.items()]
        )
        wheels = {normal(wheel.name): wheel.version for wheel in lock.wheels}
        there = [(wheel.name, wheel.version, wheel.folder) for wheel in found.wheels]
        yield from self._compared("wheel", wheels, there)

    def _compared(
        self, what: str, locked: dict[str, str], there: list[tuple[str, str, str]]
    ) -> Iterator[Finding]:
        for name, version, path in sorted(there):
            if name not in locked:
                yield Finding(message=f"{what} '{name}' {version} is not in the lock", path=path)
            elif locked[name] != version:
                message = f"{what} '{name}' is {version}, but {locked[name]} is locked"
                yield Finding(message=message, path=path)
        for name in sorted(locked.keys() - {name for name, _, _ in there}):
            yield Finding(message=f"{what} '{name}' {locked[name]} is locked but not in the image")


class SizeParameters(Strict):
    megabytes: int = Field(gt=0, description="most that the unpacked files may take, in units of 10^6 bytes")


class MaxSize(Control[SizeParameters]):
    key = "max-size"
    title = "The unpacked image is not larger than the profile allows"
    why = "An image that grew unnoticed grew by something: a cache, a second runtime, a forgotten model."
    remedy = "see which package or file is new since the last lock, or raise the limit knowingly"
    foreign_remedy = "see which package or file is new since the last image, or raise the limit knowingly"
    severity = Severity.LOW
    references = (nist("4.1.2"), cidg("CCI-000381"))
    parameters = SizeParameters

    def audit(self, image: Image, parameters: SizeParameters, context: Context) -> Iterable[Finding]:
        size = sum(entry.size for entry in image.rootfs.files())
        if size > parameters.megabytes * 1_000_000:
            allowed = parameters.megabytes
            yield Finding(message=f"the image is {size / 1e6:.1f} MB unpacked, {allowed} MB are allowed")
