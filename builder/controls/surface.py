"""What is not in the image can't be turned against it."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from pydantic import Field

from builder.controls.edit import without
from builder.controls.frame import Context, Control
from builder.controls.inventory import source_of
from builder.controls.lists import (
    CHARSETS,
    DOCUMENTATION,
    DOWNLOAD_TOOLS,
    INTERPRETER_TESTS,
    KEPT_CHARSETS,
    KEPT_DOCUMENTATION,
    PACKAGE_MANAGERS,
    PRUNED_IN_WHEELS,
    PRUNED_NAMES,
    PRUNED_PATHS,
    PRUNED_SUFFIXES,
    PRUNED_WHEEL_FOLDER,
    PRUNED_WHEEL_FOLDERS,
    PYTHON_INSTALLERS,
    PYTHON_PACKAGES,
    SHELL_PROGRAMS,
)
from builder.controls.programs import inside, topmost
from builder.controls.references import cidg, cis, dockle, gpos, hadolint, nist, srg
from builder.controls.survey import survey
from builder.controls.unwanted import Allowed, NoPrograms
from builder.model import jit
from builder.model.base import Strict
from builder.model.image import Image
from builder.model.report import Finding, Severity
from builder.model.spec import Strings
from builder.model.tree import Entry, Kind, Rootfs
from builder.rootfs.merge import BUILD_SCRIPTS


class NoShell(NoPrograms):
    key = "no-shell"
    title = "No shell is in the image"
    why = (
        "Most exploits of a service end in `sh -c`. Without a shell an intruder has to bring his own tools "
        "into a read-only file system."
    )
    remedy = "leave out bash, dash and busybox; start programs in exec form; debug with the dev profile"
    foreign_remedy = (
        "leave out bash, dash and busybox; start programs in exec form; debug in an ephemeral container"
    )
    severity = Severity.HIGH
    references = (
        cis("4.3"),
        nist("4.1.2"),
        srg("SRG-APP-000141-CTR-000315"),
        cidg("CCI-000381"),
    )
    families = SHELL_PROGRAMS


INSTALLER = re.compile(
    rf"(?:^|/)(?:(?:site|dist)-packages|python3(?:\.[0-9]+)?)/"
    rf"(?P<name>{'|'.join(sorted(PYTHON_INSTALLERS))})(?:-[^/]+\.dist-info)?"
)
"""The folder of a Python package that installs others, or of its metadata."""


class NoPackageManager(NoPrograms):
    key = "no-package-manager"
    title = "Nothing in the image can install software"
    why = (
        "A package manager turns a foothold into a tool chest, and what it installs is in no lock, no SBOM "
        "and no report."
    )
    remedy = "leave out apt, dpkg, pip and their kin; change the lock and build a new image instead"
    foreign_remedy = (
        "leave apt, dpkg, pip and their kin out of the last stage; build anew instead of installing"
    )
    severity = Severity.HIGH
    references = (
        srg("SRG-APP-000378-CTR-000880"),
        gpos("SV-203720"),
        cidg("CCI-000381"),
        cis("4.3"),
    )
    families = PACKAGE_MANAGERS

    def enforce(self, image: Image, parameters: Allowed, context: Context) -> Image:
        image = super().enforce(image, parameters, context)
        folders = [entry.path for entry in image.rootfs.values() if self._installer(entry, parameters)]
        return without(image, folders)

    def _installer(self, entry: Entry, parameters: Allowed) -> str | None:
        if entry.kind is not Kind.DIRECTORY:
            return None
        match = INSTALLER.search(entry.path)
        if match is None or match.end() != len(entry.path) or match["name"] in parameters.allow:
            return None
        return match["name"]

    def audit(self, image: Image, parameters: Allowed, context: Context) -> Iterable[Finding]:
        yield from super().audit(image, parameters, context)
        found = survey(image)
        folders = [name for name in found.names() if name.partition("-")[0] in PYTHON_INSTALLERS]
        for placed in (placed for name in folders for placed in found.named(name)):
            name = self._installer(placed.entry, parameters)
            if name is not None:
                yield placed.finding(f"belongs to '{name}', which installs Python packages")


class NoDownloadTools(NoPrograms):
    key = "no-download-tools"
    title = "No program is there to fetch files, open connections or log in with"
    why = (
        "curl, nc and ssh are how an intruder brings tools in and data out. The service itself needs none "
        "of them: libraries are not programs."
    )
    remedy = (
        "leave out the package; fetch what is needed when the image is built, or by the service's own code"
    )
    severity = Severity.MEDIUM
    references = (
        cis("5.7"),
        nist("4.1.2"),
        gpos("SV-263652"),
        cidg("CCI-000381"),
        hadolint("DL3001"),
    )
    families = DOWNLOAD_TOOLS


class LeanParameters(Strict):
    keep: Strings = Field(default=(), description="paths that stay, with all below: /usr/share/locale")
    prune: Strings = Field(default=(), description="further paths to remove, with all below")


class LeanTree(Control[LeanParameters]):
    key = "lean-tree"
    title = "No caches, documentation, development files or leftovers of a build"
    why = (
        "What no process reads only adds to what has to be pulled, scanned and explained; caches and "
        "version control folders give away how and by whom the image was made."
    )
    remedy = "remove it in the layer that brings it, or list it under `keep`"
    severity = Severity.LOW
    references = (
        cidg("CCI-002617"),
        dockle("DKL-DI-0005"),
        dockle("DKL-LI-0003"),
        hadolint("DL3009"),
        hadolint("DL3042"),
    )
    parameters = LeanParameters

    def enforce(self, image: Image, parameters: LeanParameters, context: Context) -> Image:
        doomed = {path for path, _ in self._doomed(image.rootfs, parameters, context)}
        if parameters.keep:
            doomed = self._around(image.rootfs, doomed, parameters)
        return without(image, doomed)

    def _around(self, rootfs: Rootfs, doomed: set[str], parameters: LeanParameters) -> set[str]:
        """What is kept may lie below what goes: then everything beside it goes one by one."""
        kept = frozenset(path.strip("/") for path in parameters.keep)
        folders = frozenset(doomed)
        return {
            entry.path
            for entry in rootfs.values()
            if inside(entry.path, folders) and not self._is_kept(entry.path, kept)
        }

    def _is_kept(self, path: str, kept: frozenset[str]) -> bool:
        return inside(path, kept) or any(item.startswith(path + "/") for item in kept)

    def audit(self, image: Image, parameters: LeanParameters, context: Context) -> Iterable[Finding]:
        """Counts files only: packages bring empty folders like /usr/share/man as places to put things."""
        reasons = dict(self._doomed(image.rootfs, parameters, context))
        kept = frozenset(path.strip("/") for path in parameters.keep)
        counts: Counter[str] = Counter()
        tops: dict[str, str] = {}
        """By folder, since many files lie in each."""
        for path, entry in image.rootfs.items() if reasons else ():
            if entry.kind is Kind.DIRECTORY:
                continue
            folder = path.rpartition("/")[0]
            if (top := tops.get(folder)) is None:
                top = tops[folder] = topmost(folder, reasons.keys())
            if (top or path in reasons) and not (kept and self._is_kept(path, kept)):
                counts[top or path] += 1
        for path, files in sorted(counts.items()):
            number = f" ({files} files)" if image.rootfs[path].kind is Kind.DIRECTORY else ""
            yield Finding(message=f"{path} {reasons[path]}{number}", path=path)

    def _doomed(
        self, rootfs: Rootfs, parameters: LeanParameters, context: Context
    ) -> Iterator[tuple[str, str]]:
        compiles = context.plan is not None and context.plan.spec.jit
        yield from self._listed(rootfs, parameters)
        yield from stale_bytecode(rootfs)
        for path, entry in rootfs.items():
            folder, _, name = path.rpartition("/")
            if name in PRUNED_NAMES:
                yield path, PRUNED_NAMES[name]
            elif reason := useless(folder, name, entry) or useless_in_wheel(
                folder, name, entry, compiles=compiles
            ):
                yield path, reason

    def _listed(self, rootfs: Rootfs, parameters: LeanParameters) -> Iterator[tuple[str, str]]:
        further = [(path.strip("/"), "is on the profile's list") for path in parameters.prune]
        for path, reason in (*PRUNED_PATHS, *further):
            folder = path.removesuffix("/*")
            if folder not in rootfs:
                continue
            if folder == path:
                yield path, reason
            else:
                for entry in list(rootfs.below(folder)):
                    if entry.path.count("/") == folder.count("/") + 1:
                        yield entry.path, reason


BYTECODE = "is byte code, which embeds times and which a read-only root can't renew"
ORPHANED = "is byte code of a module that isn't there"


def stale_bytecode(rootfs: Rootfs) -> Iterator[tuple[str, str]]:
    """Byte code stays where it holds a hash of its source instead of a time (PEP 552)."""
    caches = {path: True for path in rootfs if path.endswith("/__pycache__")}
    doomed = []
    for path, entry in rootfs.items():
        if not path.endswith(".pyc") or entry.kind is not Kind.FILE:
            continue
        folder = path.rpartition("/")[0]
        reason = _fault_of_bytecode(rootfs, entry)
        if reason is None:
            caches[folder] = False
        else:
            doomed.append((path, reason))
    yield from ((path, BYTECODE) for path, useless in caches.items() if useless)
    yield from ((path, why) for path, why in doomed if not caches.get(path.rpartition("/")[0], False))


def _fault_of_bytecode(rootfs: Rootfs, entry: Entry) -> str | None:
    assert entry.content is not None  # noqa: S101 - it is a file
    with entry.content.open() as stream:
        flags = stream.read(8)[4:5]
    if not flags or not flags[0] & 0b1:
        return BYTECODE
    return None if source_of(entry.path) in rootfs else ORPHANED


SUFFIXES = tuple(PRUNED_SUFFIXES)
WHEEL_SUFFIXES = tuple(PRUNED_IN_WHEELS)


def below_packages(folder: str) -> str | None:
    """`usr/lib/python3/dist-packages/numpy/core` -> `numpy/core`; `None` outside of Python's packages."""
    if "-packages" not in folder:  # most aren't, and there are many
        return None
    whole = f"{folder}/"
    return next((whole.partition(place)[2] for place in PYTHON_PACKAGES if place in whole), None)


def useless_in_wheel(folder: str, name: str, entry: Entry, *, compiles: bool = False) -> str | None:
    """What a package brings for compilers and for its own developers; `compiles`: while the program runs."""
    package = below_packages(folder)
    if package is None:
        return None
    if entry.kind is Kind.DIRECTORY:
        tests = "is a package's tests of itself" if package and name == PRUNED_WHEEL_FOLDER else None
        return PRUNED_WHEEL_FOLDERS.get(f"{package}{name}", tests)
    if not package and name in BUILD_SCRIPTS:
        return "builds or tests a package, and was packed by mistake"
    if not name.endswith(WHEEL_SUFFIXES) or (compiles and jit.is_read(package)):
        return None
    return next(why for suffix, why in PRUNED_IN_WHEELS.items() if name.endswith(suffix))


def useless(folder: str, name: str, entry: Entry) -> str | None:
    """Why a file serves no process, by its name and place."""
    if entry.kind is Kind.DIRECTORY:
        return None
    if name.endswith(SUFFIXES):
        return next(why for suffix, why in PRUNED_SUFFIXES.items() if name.endswith(suffix))
    if (
        folder.startswith(DOCUMENTATION)
        and entry.kind is Kind.FILE
        and not name.startswith(KEPT_DOCUMENTATION)
    ):
        return "is documentation"
    if folder.endswith("/lib-dynload") and name.startswith(INTERPRETER_TESTS):
        return "is for the interpreter's tests of itself"
    if folder.endswith(CHARSETS) and folder.startswith("usr/lib") and name not in KEPT_CHARSETS:
        return "is a character set that no locale of the image uses"
    return None
