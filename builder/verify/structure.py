"""container-structure-test's tests of files, licenses and metadata, over a finished image. Pure."""

import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from stat import filemode

from builder.model.image import Image, ImageConfig
from builder.model.report import CheckResult, Outcome
from builder.model.structure import (
    FileContentTest,
    FileExistenceTest,
    LicenseTest,
    MetadataTest,
    StructureTest,
    Variable,
    in_python,
)
from builder.model.tree import Entry, Kind, Rootfs

LARGEST = 64 << 20
"""Bytes of a file that is searched."""
TYPES = {Kind.FILE: 0o100000, Kind.DIRECTORY: 0o040000, Kind.SYMLINK: 0o120000, Kind.FIFO: 0o010000}
GO_TYPES = {Kind.FILE: "", Kind.DIRECTORY: "d", Kind.SYMLINK: "L", Kind.FIFO: "p", Kind.DEVICE: "D"}
EXECUTABLE = {"owner": 0o100, "group": 0o010, "other": 0o001, "any": 0o111}

DOCUMENTATION = "/usr/share/doc"
REFUSED_LICENSES = ("AGPL", "WTFPL")
NOT_LOOKED_AT = ("libgnutls30",)
"""Packages that the original lets pass."""

Faults = Iterator[str]


def static_checks(tests: StructureTest, image: Image) -> tuple[CheckResult, ...]:
    """One result for each test, and one for the metadata where any is asked for."""
    found = [check(test.name, existence(test, image.rootfs)) for test in tests.file_existence_tests]
    found += [check(test.name, contents(test, image.rootfs)) for test in tests.file_content_tests]
    found += [check("licenses", licenses(test, image.rootfs)) for test in tests.license_tests]
    if tests.metadata_test.model_fields_set:
        found.append(check("metadata", metadata(tests.metadata_test, image.config)))
    return tuple(found)


def check(name: str, faults: Iterable[str]) -> CheckResult:
    message = "; ".join(faults)
    return CheckResult(
        name=f"structure: {name}", outcome=Outcome.FAILED if message else Outcome.PASSED, message=message
    )


# Files ------------------------------------------------------------------------------------------------


def existence(test: FileExistenceTest, rootfs: Rootfs) -> Faults:
    """A link is looked at itself, as the original does; the folders on the way to it are followed."""
    entry = at(rootfs, test.path)
    if entry is None or not test.should_exist:
        if (entry is not None) != test.should_exist:
            yield f"{test.path} {'is not there' if entry is None else 'is there'}"
        return
    if test.permissions and test.permissions not in (go_mode(entry), ls_mode(entry)):
        yield f"{test.path} has the permissions {ls_mode(entry)}, not {test.permissions}"
    if test.uid is not None and entry.uid != test.uid:
        yield f"{test.path} belongs to user {entry.uid}, not {test.uid}"
    if test.gid is not None and entry.gid != test.gid:
        yield f"{test.path} belongs to group {entry.gid}, not {test.gid}"
    if test.is_executable_by and not entry.mode & EXECUTABLE[test.is_executable_by]:
        yield f"{test.path} can't be executed by {test.is_executable_by} ({ls_mode(entry)})"


def at(rootfs: Rootfs, path: str) -> Entry | None:
    folder, _, name = path.rpartition("/")
    if not name:
        return Entry(path="", kind=Kind.DIRECTORY, mode=0o755)
    if not folder:
        return rootfs.get(name)
    above = rootfs.resolve(folder)
    return None if above is None else rootfs.get(f"{above.path}/{name}")


def ls_mode(entry: Entry) -> str:
    """`-rwsr-xr-x`"""
    return filemode(TYPES.get(entry.kind, 0o020000) | entry.mode)


def go_mode(entry: Entry) -> str:
    """`urwxr-xr-x`: in Go, letters for the type and the special bits, then nine for the rest."""
    special = "".join(
        letter for bit, letter in ((0o4000, "u"), (0o2000, "g"), (0o1000, "t")) if entry.mode & bit
    )
    return (GO_TYPES[entry.kind] + special or "-") + filemode(entry.mode & 0o777)[1:]


def contents(test: FileContentTest, rootfs: Rootfs) -> Faults:
    text, fault = text_of(rootfs, test.path)
    if fault:
        yield fault
    else:
        yield from mismatches(test.path, text, test.expected_contents, test.excluded_contents)


def text_of(rootfs: Rootfs, path: str) -> tuple[str, str]:
    """What the file holds, or why that can't be told."""
    entry = rootfs.resolve(path)
    if entry is None or entry.content is None:
        return "", f"{path} {'is not there' if entry is None else 'is no file'}"
    if entry.size > LARGEST:
        return "", f"{path} has {entry.size} bytes, too many to search"
    with entry.content.open() as file:
        return file.read().decode(errors="replace"), ""


def mismatches(what: str, text: str, expected: Iterable[str], excluded: Iterable[str]) -> Faults:
    for wanted in expected:
        if not found(wanted, text):
            yield f"{what} does not hold '{wanted}'"
    for unwanted in excluded:
        if found(unwanted, text):
            yield f"{what} holds '{unwanted}'"


def found(pattern: str, text: str) -> bool:
    return re.search(in_python(pattern), text) is not None


# Licenses ---------------------------------------------------------------------------------------------


def licenses(test: LicenseTest, rootfs: Rootfs) -> Faults:
    """By the original's rules: each folder of documentation has a copyright file, and none names a license
    that it refuses."""
    if test.debian:
        folder = rootfs.resolve(DOCUMENTATION)
        if folder is None or folder.kind is not Kind.DIRECTORY:
            yield f"{DOCUMENTATION} is not there, which holds the packages' copyright files"
        else:
            for name in packages(rootfs, folder.path):
                yield from license_faults(rootfs, f"{DOCUMENTATION}/{name}/copyright")
    for path in test.files:
        yield from license_faults(rootfs, path)


def packages(rootfs: Rootfs, folder: str) -> Iterator[str]:
    for entry in rootfs.below(folder):
        above, _, name = entry.path.rpartition("/")
        if above == folder and entry.kind is Kind.DIRECTORY and name not in NOT_LOOKED_AT:
            yield name


def license_faults(rootfs: Rootfs, path: str) -> Faults:
    text, fault = text_of(rootfs, path)
    if fault:
        yield fault
    for refused in REFUSED_LICENSES:
        if refused in text.upper():
            yield f"{path} names the license {refused}"


# Metadata ---------------------------------------------------------------------------------------------


def metadata(test: MetadataTest, config: ImageConfig) -> Faults:
    env, labels = dict(config.env), dict(config.labels)
    yield from valued("variable", test.env_vars, env, lambda text: expanded(text, env))
    yield from valued("label", test.labels, labels, str)
    for variable in test.unbound_env_vars:
        if variable.key in env:
            yield f"the variable {variable.key} is set"
    yield from listed("port", map(port, test.exposed_ports), config.ports, wanted=True)
    yield from listed("port", map(port, test.unexposed_ports), config.ports, wanted=False)
    yield from listed("volume", test.volumes, config.volumes, wanted=True)
    yield from listed("volume", test.unmounted_volumes, config.volumes, wanted=False)
    for name, asked, there in (
        ("entrypoint", test.entrypoint, config.entrypoint),
        ("cmd", test.cmd, config.cmd),
        ("workdir", test.workdir or None, config.workdir),
        ("user", test.user or None, config.user),
    ):
        if asked is not None and asked != there:
            yield f"the {name} is {shown(there)}, not {shown(asked)}"


def valued(
    kind: str, asked: Iterable[Variable], there: Mapping[str, str], meant: Callable[[str], str]
) -> Faults:
    for item in asked:
        value = there.get(item.key)
        if value is None:
            yield f"the {kind} {item.key} is not set"
        elif item.is_regex and not found(item.value, value):
            yield f"the {kind} {item.key} is '{value}', which does not match '{item.value}'"
        elif not item.is_regex and value != meant(item.value):
            yield f"the {kind} {item.key} is '{value}', not '{meant(item.value)}'"


def expanded(text: str, env: Mapping[str, str]) -> str:
    """`/app/bin:$PATH`, by the image's own variables; one that is not set is empty."""
    names = {name: env.get(name, "") for name in re.findall(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)", text)}
    return string.Template(text).safe_substitute(names)


def listed(kind: str, asked: Iterable[str], there: Iterable[str], *, wanted: bool) -> Faults:
    known = set(there)
    for item in asked:
        if (item in known) is not wanted:
            yield f"the {kind} {item} is {'not ' if wanted else ''}declared"


def port(text: str) -> str:
    return text if "/" in text else f"{text}/tcp"


def shown(value: str | tuple[str, ...]) -> str:
    return f"'{value}'" if isinstance(value, str) else str([*value])
