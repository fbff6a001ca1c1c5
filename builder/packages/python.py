"""Python requirements to locked wheels, for the image's Python and platform whatever the host's are."""

import re
from collections.abc import Iterator, Sequence

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import BuildTag, InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from builder.errors import GoneError, InputError
from builder.model.lock import LockedWheel
from builder.model.spec import PythonSpec
from builder.packages.pylock import IndexedWheel, Target, UnsolvableError, resolve

KEY = "python.requirements"
"""Where in image.yaml requirements stand, for messages."""
_OLDEST_GLIBC = 5
"""manylinux1, of 2016, was glibc 2.5."""
_LEGACY = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
_NEWEST = "2.40"
_ABOUT = re.compile(r"because (?:there (?:is|are) no versions? of |all versions of |only )?([A-Za-z0-9._-]+)")
_SEVERAL = re.compile(r" depends? on ")
_CONCLUSION = re.compile(r",? (?:we can conclude that|and) your requirements are unsatisfiable\.?$")
"""How every explanation of uv ends."""


def lock_wheels(
    python: PythonSpec, platform: str, glibc: str, kept: Sequence[LockedWheel] = ()
) -> tuple[LockedWheel, ...]:
    """Exact wheels, dependencies included, sorted by name; `glibc` is the base's C library, `2.41`.

    Those that are to be `kept` stay, as long as the index has them and they meet the requirements.

    Raises `InputError` with every requirement that is wrong or can't be met, `NetworkError` where the
    index can't be read, `ToolError` where uv fails otherwise.
    """
    _check_requirements(python.requirements)
    if not python.requirements:
        return ()
    target = Target(python=python.version, platform=platform, glibc=glibc)
    try:
        offered = resolve(
            python.requirements,
            target,
            without=python.without,
            preferred={wheel.name: wheel.version for wheel in kept},
        )
    except UnsolvableError as error:
        raise InputError(_in_plain_words(_because(error), python.requirements, target)) from None
    still = {(wheel.filename, wheel.sha256) for wheel in offered}
    staying = {wheel.name: wheel for wheel in kept if (wheel.filename, wheel.sha256) in still}
    chosen = _best_wheels(offered, target)
    moving = [wheel for wheel in chosen if wheel.name not in staying]
    moved = {
        w.name: LockedWheel(name=w.name, version=w.version, filename=w.filename, size=size, sha256=w.sha256)
        for w, size in zip(moving, _sizes(moving), strict=True)
    }
    return tuple({**moved, **staying}[wheel.name] for wheel in chosen)


def wheel_urls(wheels: Sequence[LockedWheel], python: PythonSpec, platform: str) -> dict[str, str]:
    """Where the index has the locked wheels now, by file name.

    Raises `GoneError` naming every wheel that it has no longer, else as `lock_wheels` does.
    """
    target = Target(python=python.version, platform=platform, glibc=_NEWEST)
    try:
        offered = resolve([f"{wheel.name}=={wheel.version}" for wheel in wheels], target, alone=True)
    except UnsolvableError as error:
        raise GoneError(f"the package index lacks a locked wheel: {_because(error)}; lock again") from None
    found = {wheel.filename: wheel.url for wheel in offered}
    gone = [wheel.filename for wheel in wheels if wheel.filename not in found]
    if gone:
        raise GoneError("\n".join(f"{name}: the package index no longer has it; lock again" for name in gone))
    return {wheel.filename: found[wheel.filename] for wheel in wheels}


def _check_requirements(requirements: Sequence[str]) -> None:
    """Only names from the index: uv also takes options, files and repositories, which no lock can hold."""
    problems = []
    for requirement in requirements:
        try:
            parsed = Requirement(requirement)
        except InvalidRequirement:
            problems.append(
                f"{KEY}: '{requirement}': is not a requirement; write a name, as 'numpy' or 'numpy>=2,<3'"
            )
            continue
        if parsed.url:
            problems.append(
                f"{KEY}: '{requirement}': leads past the package index; name a release that the index has"
            )
    if problems:
        raise InputError(problems)


def _in_plain_words(reason: str, requirements: Sequence[str], target: Target) -> str:
    """uv's explanation, led by the requirement that it is about, where it is about one alone."""
    match = None if _SEVERAL.search(reason) else _ABOUT.match(reason)
    blamed = [text for text in requirements if match and _named(text) == canonicalize_name(match[1])]
    if not blamed:
        return f"{KEY}: no set of wheels for {target} meets them all: {reason}"
    if "was not found in the package registry" in reason:
        return f"{KEY}: '{blamed[0]}': the package index has no project of this name"
    return f"{KEY}: '{blamed[0]}': no wheel for {target} meets it: {reason}"


def _because(error: UnsolvableError) -> str:
    """Without uv's last clause, which repeats that nothing fits."""
    reason = _CONCLUSION.sub("", error.reason)
    return reason[:1].lower() + reason[1:]


def _named(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def _best_wheels(offered: Sequence[IndexedWheel], target: Target) -> list[IndexedWheel]:
    """One wheel for each name: the one whose tag the target prefers, then the highest build number."""
    ranks = {tag: rank for rank, tag in enumerate(target_tags(target))}
    fitting: dict[str, list[tuple[int, BuildTag, IndexedWheel]]] = {wheel.name: [] for wheel in offered}
    for wheel in offered:
        try:
            _, _, build, tags = parse_wheel_filename(wheel.filename)
        except InvalidWheelFilename:
            continue
        if known := [ranks[tag] for tag in tags if tag in ranks]:
            fitting[wheel.name].append((-min(known), build, wheel))
    if nothing := sorted(name for name, wheels in fitting.items() if not wheels):
        raise InputError(f"{KEY}: '{name}': has no wheel for {target}" for name in nothing)
    return [max(wheels, key=lambda known: known[:2])[2] for _, wheels in sorted(fitting.items())]


def target_tags(target: Target) -> Iterator[Tag]:
    """Best first, as pip would list them on the target."""
    version = tuple(int(part) for part in target.python.split("."))
    interpreter = "cp" + "".join(map(str, version))
    platforms = [*_manylinux(target), f"linux_{target.machine}"]
    yield from cpython_tags(version, [interpreter], platforms)
    yield from compatible_tags(version, interpreter, platforms)


def _manylinux(target: Target) -> Iterator[str]:
    """PEP 600 names for every C library up to the target's, each followed by its older name."""
    for minor in range(target.glibc_minor, _OLDEST_GLIBC - 1, -1):
        yield f"manylinux_2_{minor}_{target.machine}"
        if minor in _LEGACY:
            yield f"{_LEGACY[minor]}_{target.machine}"


def _sizes(wheels: Sequence[IndexedWheel]) -> list[int]:
    """Simple HTML indexes don't tell sizes; the server of the files does."""
    unknown = [wheel.url for wheel in wheels if wheel.size is None]
    if not unknown:
        return [wheel.size or 0 for wheel in wheels]
    from builder.packages.sizes import sizes_of  # noqa: PLC0415 - imports httpx

    asked = iter(sizes_of(unknown))
    return [next(asked) if wheel.size is None else wheel.size for wheel in wheels]
