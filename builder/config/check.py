"""What an image.yaml of good form can still get wrong: parts that contradict each other or are not there."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from builder.config.document import Document
from builder.config.gpu import gpu_conflicts
from builder.config.problems import Location, Problem, spelt, suggested
from builder.config.seccomp import seccomp_problem
from builder.model.spec import FileSpec, ImageSpec
from builder.names import suggestion
from builder.packages.bases import BASES

PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
"""Debian Policy 5.6.1."""
PLAIN_REQUIREMENT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(==[0-9]+(\.[0-9]+)*)?")
"""What most people write: surely good, without loading the parser of the whole of PEP 508."""
KERNEL = ("/proc", "/sys", "/dev")
"""The engine mounts these over whatever the image holds."""
SYSTEM = (
    "/",
    "/bin",
    "/etc",
    "/lib",
    "/lib64",
    "/sbin",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/var",
)
"""A mount over one of these hides the image from itself."""

UNMOUNTABLE = re.compile(r"""[:,"'\\$%\x00-\x1f\x7f]""")
"""Engines' mount options, systemd units and shells give these a meaning, and have no way around it."""

Found = Iterator[tuple[Location, str]]


def conflicts(spec: ImageSpec, document: Document, folder: Path) -> tuple[Problem, ...]:
    """`folder` is where `files` and `certificates` are looked for."""
    checks: tuple[Callable[[ImageSpec, Path], Found], ...] = (
        _base,
        _packages,
        _requirements,
        _files,
        _certificates,
        _seccomp,
        _mounts,
        _written_secrets,
        _hidden_files,
        _repeated,
        _commands,
        gpu_conflicts,
    )
    return tuple(document.problem(at, text) for check in checks for at, text in check(spec, folder))


def _base(spec: ImageSpec, _: Path) -> Found:
    if spec.base not in BASES:
        yield ("base",), f"unknown base '{spec.base}'{suggested(spec.base, BASES)}"
    elif spec.python and spec.python.version != (own := BASES[spec.base].python):
        others = [f"take base '{name}'" for name, base in BASES.items() if base.python == spec.python.version]
        what = " or ".join([f'write "{own}"', *others])
        yield ("python", "version"), f"'{spec.base}' has Python {own}, not {spec.python.version}; {what}"


def _packages(spec: ImageSpec, _: Path) -> Found:
    return package_names(spec.packages)


def package_names(names: Iterable[str]) -> Found:
    for number, name in enumerate(names):
        if not PACKAGE_NAME.fullmatch(name):
            rule = "write the name alone; versions stand in the lock"
            yield ("packages", number), f"'{name}' is not the name of a package; {rule}"


def _requirements(spec: ImageSpec, _: Path) -> Found:
    for number, text in enumerate(spec.python.requirements if spec.python else ()):
        if not PLAIN_REQUIREMENT.fullmatch(text) and (wrong := _requirement_problem(text)):
            yield ("python", "requirements", number), wrong


def _requirement_problem(text: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - 20 ms, seldom needed

    try:
        url = Requirement(text).url
    except InvalidRequirement:
        return f"'{text}' is not a requirement; write one such as 'numpy==2.4.0' (PEP 508)"
    if url:
        return f"'{text}' names a place; write name and version, since wheels come from the index"
    return ""


def _files(spec: ImageSpec, folder: Path) -> Found:
    for number, file in enumerate(spec.files):
        if text := _file_problem(file, folder):
            yield ("files", number, "source"), text
        elif file.target == "/" and (folder / file.source).is_file():
            yield (
                ("files", number, "target"),
                "a file can't take the place of '/'; write the file's whole path",
            )


def _file_problem(file: FileSpec, folder: Path) -> str:
    home = file.home(folder)
    if home is None:
        advice = "put it below the folder of image.yaml, or into another image's: '../<image>/...'"
        return f"'{file.source}' leads out of the image's folder; {advice}"
    return _place_problem(file.source, folder, home)


def _source_problem(source: str, folder: Path) -> str:
    if Path(source).is_absolute() or ".." in Path(source).parts:
        return f"'{source}' leads out of the image's folder; put it below the folder of image.yaml"
    return _place_problem(source, folder, folder)


def _place_problem(source: str, folder: Path, home: Path) -> str:
    """`home` is the image's folder that it may not leave."""
    path = folder / source
    if not path.exists():
        near = [entry.name for entry in _siblings(path)]
        return f"there is no '{source}' beside image.yaml{suggestion(path.name, near) or '; create it'}"
    if not path.resolve().is_relative_to(home.resolve()):
        return f"'{source}' is a link out of the image's folder; put the file itself there"
    return ""


def _siblings(path: Path) -> list[Path]:
    return sorted(path.parent.iterdir()) if path.parent.is_dir() else []


def _certificates(spec: ImageSpec, folder: Path) -> Found:
    for number, source in enumerate(spec.certificates):
        at: Location = ("certificates", number)
        if text := _source_problem(source, folder):
            yield at, text
        elif not (folder / source).is_file():
            yield at, f"'{source}' is a folder; name each PEM file"
        elif text := _pem_problem((folder / source).read_bytes()):
            yield at, f"'{source}' {text}"


def _pem_problem(data: bytes) -> str:
    if b"PRIVATE KEY-----" in data:
        return "holds a private key; keep the certificate only"
    if b"-----BEGIN CERTIFICATE-----" not in data:
        return "holds no PEM certificate; convert it to PEM"
    return ""


def _seccomp(spec: ImageSpec, folder: Path) -> Found:
    if spec.seccomp is None:
        return
    path = folder / spec.seccomp
    text = _source_problem(spec.seccomp, folder)
    if not text and not path.is_file():
        text = f"'{spec.seccomp}' is a folder; name the JSON file"
    elif not text and (wrong := seccomp_problem(path.read_bytes())):
        text = f"'{spec.seccomp}' {wrong}"
    if text:
        yield ("seccomp",), text


def _mounts(spec: ImageSpec, _: Path) -> Found:
    for at, path in _mounted(spec):
        if odd := UNMOUNTABLE.search(path):
            yield at, f"{path!r} holds {odd[0]!r}, which not every engine can mount; take a plain name"
        elif path in SYSTEM:
            yield at, f"a mount on '{path}' would hide the image's own files; take a folder below it"
        elif path == "/dev/shm":  # noqa: S108 - the path inside an image
            yield at, "'/dev/shm' is there in every container; set its size by the profile's 'run.shm'"
        elif top := _inside(path, KERNEL):
            yield at, f"'{path}' is in '{top}', which the engine mounts itself; take another path"
    for number, writable in enumerate(spec.writable):
        if state := _inside(writable.path, [state.path for state in spec.state]):
            text = f"'{writable.path}' is in the state '{state}', and scratch space would hide part of it"
            yield ("writable", number, "path"), f"{text}; take a path outside"


def _written_secrets(spec: ImageSpec, _: Path) -> Found:
    for number, state in enumerate(spec.state):
        if state.secret and state.mode == "rw":
            yield ("state", number, "mode"), f"'{state.path}' holds secrets, which are only read; remove it"


def _mounted(spec: ImageSpec) -> Iterator[tuple[Location, str]]:
    yield from ((("writable", number, "path"), mount.path) for number, mount in enumerate(spec.writable))
    yield from ((("state", number, "path"), mount.path) for number, mount in enumerate(spec.state))


def _inside(path: str, tops: Iterable[str]) -> str | None:
    return next((top for top in tops if f"{path}/".startswith(f"{top}/")), None)


def _hidden_files(spec: ImageSpec, _: Path) -> Found:
    mounts = [path for _, path in _mounted(spec)]
    for number, file in enumerate(spec.files):
        if top := _inside(file.target, [*mounts, *KERNEL]):
            text = f"'{file.target}' is in '{top}', which is mounted over at run time; take another target"
            yield ("files", number, "target"), text


def _repeated(spec: ImageSpec, _: Path) -> Found:
    requirements = spec.python.requirements if spec.python else ()
    lists: tuple[tuple[Location, Iterable[Any], Location], ...] = (
        (("packages",), spec.packages, ()),
        (("python", "requirements"), requirements, ()),
        (("ports",), spec.ports, ()),
        (("gpu", "capabilities"), spec.gpu.capabilities if spec.gpu else (), ()),
        (("platforms",), spec.platforms, ()),
        (("certificates",), spec.certificates, ()),
        (("files",), [file.target for file in spec.files], ("target",)),
        (("writable",), [mount.path for mount in spec.writable], ("path",)),
        (("state",), [mount.path for mount in spec.state], ("path",)),
        *((("state", number, "secret"), mount.secret, ()) for number, mount in enumerate(spec.state)),
    )
    for at, values, rest in lists:
        yield from repeated(at, values, rest)


def repeated(at: Location, values: Iterable[Any], rest: Location = ()) -> Found:
    first: dict[Any, int] = {}
    for number, value in enumerate(values):
        if (earlier := first.setdefault(value, number)) != number:
            place = spelt((*at, earlier, *rest))
            yield (*at, number, *rest), f"'{value}' stands in '{place}' already; keep one of them"


def _commands(spec: ImageSpec, _: Path) -> Found:
    check = spec.healthcheck.command if spec.healthcheck else ("true",)
    for at, words in ((("entrypoint",), spec.entrypoint), (("healthcheck",), check)):
        if not words[0].strip():
            yield at, "the first word is empty; write the program"
