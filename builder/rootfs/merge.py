"""Merging packages into one tree, with dpkg's rules and none of its trust."""

import re
from collections.abc import Iterable

from builder.errors import ArchiveError
from builder.model.package import Package
from builder.model.tree import Entry, Kind, Owner, Rootfs, parents

MERGED_USR = ("bin", "sbin", "lib", "lib64")
"""Top-level names that are links into usr/ on every supported base (Debian's usrmerge)."""

BUILD_SCRIPTS = ("build_backend.py", "conftest.py", "noxfile.py", "setup.py")
"""Beside packages of Python by mistake: they build or test a project, and several wheels bring one each."""

LAYOUT = Owner(kind="temper", name="layout")


def merge(packages: Iterable[Package], mtime: int) -> Rootfs:
    """The packages' entries as one tree, in the order of the packages' names.

    Directories may be shared, a file only where one package declares `Replaces` on the other (Debian
    policy 7.6) or both bring the same; of two wheels' build scripts the first stays. Raises `ArchiveError`
    naming both owners otherwise, and for an entry that would land behind another package's symlink.
    """
    ordered = sorted(packages, key=lambda package: package.owner.name)
    replaces = {package.owner.name: replaced_names(package.control) for package in ordered}
    merged: dict[str, Entry] = {}
    for package in ordered:
        for entry in package.entries:
            place(merged, without_alias(entry), replaces)
    add_merged_usr_links(merged, mtime)
    refuse_hidden_entries(merged)
    return Rootfs().with_entries(merged.values())


def without_alias(entry: Entry) -> Entry:
    """`lib/x86_64-linux-gnu/libc.so.6` lies in `usr/lib/x86_64-linux-gnu` on a merged-/usr system."""
    head, slash, _ = entry.path.partition("/")
    return entry.replace(path="usr/" + entry.path) if slash and head in MERGED_USR else entry


def place(merged: dict[str, Entry], entry: Entry, replaces: dict[str, frozenset[str]]) -> None:
    if entry.path in MERGED_USR:  # as a directory (bookworm) or as the link itself (trixie)
        return
    there = merged.get(entry.path)
    if there is None or entry.owner.name in replaces.get(there.owner.name, ()):
        if there is None:
            merged[entry.path] = entry
    elif there.owner.name in replaces.get(entry.owner.name, ()):
        merged[entry.path] = entry
    elif not (same(there, entry) or is_build_script(entry)):
        raise ArchiveError(
            f"{entry.path}: both {there.owner} and {entry.owner} bring it, and neither replaces the other"
        )


def is_build_script(entry: Entry) -> bool:
    folder, _, name = entry.path.rpartition("/")
    return entry.owner.kind == "wheel" and name in BUILD_SCRIPTS and folder.endswith("/dist-packages")


def same(one: Entry, other: Entry) -> bool:
    """Directories may be shared whatever their modes: dpkg keeps the first."""
    if one.kind is not other.kind:
        return False
    if one.kind is Kind.DIRECTORY:
        return True
    content = (one.content and one.content.sha256) == (other.content and other.content.sha256)
    return content and one.target == other.target


def replaced_names(control: str) -> frozenset[str]:
    """The package names in the `Replaces` field of a control stanza, versions left aside."""
    field = re.search(r"^Replaces:(.*(?:\n[ \t].*)*)", control, re.MULTILINE)
    return frozenset(re.findall(r"(?:^|,)\s*([a-z0-9][a-z0-9+.-]*)", field.group(1)) if field else ())


def add_merged_usr_links(merged: dict[str, Entry], mtime: int) -> None:
    for name in MERGED_USR:
        if any(path.startswith(f"usr/{name}/") for path in merged):
            merged[name] = Entry(
                path=name, kind=Kind.SYMLINK, mode=0o777, target=f"usr/{name}", mtime=mtime, owner=LAYOUT
            )


def refuse_hidden_entries(merged: dict[str, Entry]) -> None:
    """An entry whose parent is a link or a file could land anywhere once unpacked."""
    sound: set[str] = set()
    for entry in merged.values():
        for parent in parents(entry.path):
            if parent in sound:  # and so are those above it
                break
            above = merged.get(parent)
            if above is not None and above.kind is not Kind.DIRECTORY:
                raise ArchiveError(
                    f"{entry.path} of {entry.owner} lies below {above.path}, "
                    f"which {above.owner} brings as a {above.kind}"
                )
            sound.add(parent)
