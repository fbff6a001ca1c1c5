"""What an image says about its own packages: dpkg's records and the metadata of wheels."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from builder.controls.passwd import text_of
from builder.controls.survey import remembered
from builder.model.image import Image
from builder.model.package import normal
from builder.model.tree import Entry, Kind, Rootfs

STATUS_FOLDER = "var/lib/dpkg/status.d"
"""One stanza a file, as distroless images have it."""
STATUS_FILE = "var/lib/dpkg/status"
INFO_FOLDER = "var/lib/dpkg/info"
OTHER_DATABASES = ("lib/apk/db/installed", "usr/lib/apk/db/installed", "usr/lib/sysimage/rpm", "var/lib/rpm")
"""Of distributions whose packages are only counted, not compared."""

FIELD = re.compile(r"^(Package|Version|Architecture|Status): *(.*)$", re.MULTILINE)
DIST_INFO = re.compile(r"(?:^|/)(?:site|dist)-packages/(?P<name>[^/]+?)-(?P<version>[^/-]+)\.dist-info$")
MERGED = ("bin/", "lib/", "lib32/", "lib64/", "libx32/", "sbin/")
"""Folders that are links into usr/ on a merged-/usr system; old packages still record them so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    name: str
    """Normalised as PEP 503 has it: `typing-extensions`."""
    version: str
    folder: str
    """The .dist-info folder."""
    paths: list[str] = field(default_factory=list, compare=False, repr=False)
    """What its RECORD lists."""


@dataclass(frozen=True, slots=True)
class Inventory:
    debs: dict[str, str] = field(default_factory=dict)
    """Name -> version of every installed Debian package."""
    broken: list[str] = field(default_factory=list)
    """Files in status.d that no scanner would understand."""
    wheels: list[Wheel] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    """Every path that a package or a wheel claims, and which: `deb libc6`, `wheel numpy`."""
    hashes: dict[str, str] = field(default_factory=dict)
    """Path -> sha256 (urlsafe base64, unpadded) that a wheel's RECORD has for it."""


@remembered
def inventory(image: Image) -> Inventory:
    found = Inventory()
    rootfs = image.rootfs
    for entry in rootfs.values():
        if entry.kind is Kind.DIRECTORY and entry.path.endswith(".dist-info"):
            _note_wheel(found, rootfs, entry)
        elif entry.kind is Kind.FILE and entry.path.startswith("var/lib/dpkg/"):
            _note_dpkg(found, entry)
    for path in rootfs:
        if path.endswith(".pyc") and (owner := found.files.get(source_of(path))) is not None:
            found.files.setdefault(path, owner)
    return found


def source_of(path: str) -> str:
    """`a/__pycache__/b.cpython-313.pyc` -> `a/b.py` (PEP 3147); `a/b.pyc` -> `a/b.py`."""
    folder, _, name = path.rpartition("/")
    above, _, cache = folder.rpartition("/")
    return f"{above if cache == '__pycache__' else folder}/{name.partition('.')[0]}.py"


def _note_dpkg(found: Inventory, entry: Entry) -> None:
    folder, _, name = entry.path.rpartition("/")
    if name.endswith((".md5sums", ".list")) and folder in (STATUS_FOLDER, INFO_FOLDER):
        package = f"deb {name.rpartition('.')[0].partition(':')[0]}"
        paths = _dpkg_paths(text_of(entry), has_sums=name.endswith(".md5sums"))
        found.files.update(dict.fromkeys(paths, package))
    elif folder == STATUS_FOLDER:
        if not _note_stanza(found, text_of(entry)):
            found.broken.append(entry.path)
    elif entry.path == STATUS_FILE:
        for stanza in text_of(entry).split("\n\n"):
            _note_stanza(found, stanza)


def _note_stanza(found: Inventory, stanza: str) -> bool:
    fields = dict(FIELD.findall(stanza))
    if not {"Package", "Version", "Architecture"} <= fields.keys():
        return False
    if fields.get("Status", "install ok installed").endswith(" installed"):
        found.debs[fields["Package"]] = fields["Version"]
    return True


def _dpkg_paths(text: str, *, has_sums: bool) -> Iterator[str]:
    for line in text.splitlines():
        path = (line.partition("  ")[2] if has_sums else line).strip("/")
        if path:
            yield f"usr/{path}" if path.startswith(MERGED) else path


def _note_wheel(found: Inventory, rootfs: Rootfs, entry: Entry) -> None:
    match = DIST_INFO.search(entry.path)
    if match is None:
        return
    wheel = Wheel(name=normal(match["name"]), version=match["version"], folder=entry.path)
    found.wheels.append(wheel)
    record = rootfs.get(f"{entry.path}/RECORD")
    if record is not None and record.kind is Kind.FILE:
        _note_record(found, entry.path.rpartition("/")[0], text_of(record), wheel)


def record_rows(folder: str, text: str) -> Iterator[tuple[str, str]]:
    """The path that each line of a RECORD in this .dist-info folder stands for, and the line."""
    base = folder.rpartition("/")[0]
    for line in text.splitlines():
        yield _joined(base, _unquoted(line)[0]), line


def _note_record(found: Inventory, base: str, text: str, wheel: Wheel) -> None:
    owner = f"wheel {wheel.name}"
    for line in text.splitlines():
        path, _, rest = _unquoted(line)
        place = _joined(base, path)
        wheel.paths.append(place)
        found.files[place] = owner
        if rest.startswith("sha256="):
            found.hashes[place] = rest[7:].partition(",")[0]


def _unquoted(line: str) -> tuple[str, str, str]:
    """RECORD is CSV (binary distribution format); only a path with a comma or a quote is quoted."""
    if not line.startswith('"'):
        return line.partition(",")
    path, _, rest = line[1:].replace('""', "\0").partition('",')
    return path.replace("\0", '"'), ",", rest


def _joined(base: str, path: str) -> str:
    if path.startswith("/"):
        return path.strip("/")
    parts = base.split("/")
    while path.startswith("../"):
        path = path[3:]
        parts = parts[:-1]
    return "/".join([*parts, path])
