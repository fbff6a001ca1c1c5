"""Where images and profiles are found: a team's own folder first, then what ships with Temper."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from builder.config.problems import Problem, shown, suggested
from builder.config.variants import VARIANTS, variant_lines
from builder.errors import InputError
from builder.resources import data_folder, installed_folder

T = TypeVar("T")
NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
"""Names become tags, container names and Kubernetes names (RFC 1123 labels)."""
LONGEST_NAME = 50
"""Of a label's 63 characters, some are left for what is put around a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an image is described."""

    folder: Path
    """Holds image.yaml, and the image's files and tests."""
    variant: str = ""
    """One of those in image.yaml; empty for the image itself."""

    @property
    def path(self) -> Path:
        return self.folder / "image.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overridden:
    kind: str
    """`image` or `profile`."""
    name: str
    winner: Path
    hidden: Path

    def __str__(self) -> str:
        return f"{self.kind} '{self.name}': {shown(self.winner)} wins over {shown(self.hidden)}"


@dataclass(frozen=True, slots=True)
class Workspace:
    folders: tuple[Path, ...]
    """Each with `images/` and `profiles/`, or one of them; the first that has a name wins."""
    cwd: Path = Path()
    """Where locks of built-in images go."""

    @classmethod
    def here(cls, cwd: Path) -> "Workspace":
        built_in = data_folder()
        own = (cwd / "images").is_dir() or (cwd / "profiles").is_dir()
        if own and cwd.resolve() != built_in:
            return cls((cwd, built_in), cwd)
        return cls((cwd if own else built_in,), cwd)

    def images(self) -> dict[str, Source]:
        """Every image and every variant of one, by name."""
        return _first(room.images for room in self._rooms())

    def profiles(self) -> dict[str, Path]:
        """Name -> its file, by name."""
        return _first(dict(_profiles(folder)) for folder in self.folders)

    def image(self, name: str) -> Source:
        """Where an image is described. Raises `InputError` with what it may have been meant."""
        found = _first(room.images for room in self._rooms(name))
        if name not in found:
            raise InputError(_unknown("image", name, self.images(), self.folders))
        if not found[name].variant:  # of a variant its own line is told, when it is planned
            _check_name(name, found[name].path)
        return found[name]

    def clashes(self, wanted: str | None = None) -> list[Problem]:
        """Variants whose image has the name of another one in the same folder: of all, or of one image."""
        rooms = [room.clashes for room in self._rooms(wanted)]
        return [problem for found in rooms for problem in found]

    def _rooms(self, wanted: str | None = None) -> Iterator["_Room"]:
        """For one wanted name no more files are read than may have it as a variant."""
        hidden: set[str] = set()
        for folder in self.folders:
            own = dict(_images(folder))
            asked = [name for name in own if wanted is None or f"{wanted}-".startswith(f"{name}-")]
            yield _room(own, [name for name in asked if name not in hidden])
            hidden |= own.keys()

    def profile(self, name: str) -> Path:
        """The file of a profile. Raises `InputError` with what it may have been meant."""
        found = self.profiles()
        if name not in found:
            raise InputError(_unknown("profile", name, found, self.folders))
        _check_name(name, found[name])
        return found[name]

    def hidden_profile(self, winner: Path) -> Path | None:
        """The profile of the same name that `winner` hides: what it means when it extends itself."""
        same = [folder / "profiles" / winner.name for folder in self.folders]
        below = same[same.index(winner) + 1 :] if winner in same else []
        return next((path for path in below if path.is_file()), None)

    def overridden(self) -> tuple[Overridden, ...]:
        """What stands in more than one folder, so that nobody is surprised by which one is taken."""
        return (
            *_overridden("image", [room.paths for room in self._rooms()] if len(self.folders) > 1 else []),
            *_overridden("profile", [dict(_profiles(folder)) for folder in self.folders]),
        )

    def lock_path(self, image: str, profile: str | None = None) -> Path:
        """The lock to read: the working directory's, else the one beside image.yaml (there or not).

        `profile` is the one that adds packages of its own, if it does.
        """
        source = self.image(image)
        own = self.cwd / "images" / source.folder.name / _lock_name(source, profile)
        return own if own.is_file() else source.folder / own.name

    def lock_target(self, image: str, profile: str | None = None) -> Path:
        """The lock to write: beside image.yaml, but never inside an installed package."""
        source = self.image(image)
        folder = source.folder
        if folder.resolve().is_relative_to(installed_folder()):
            folder = self.cwd / "images" / folder.name
        return folder / _lock_name(source, profile)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Room:
    """What one folder of the workspace has."""

    images: dict[str, Source] = field(default_factory=dict)
    clashes: list[Problem] = field(default_factory=list)

    @property
    def paths(self) -> dict[str, Path]:
        return {name: source.path for name, source in self.images.items()}


def _room(own: Mapping[str, Path], asked: Iterable[str]) -> _Room:
    """`asked` are the images whose variants count."""
    room = _Room(images={name: Source(folder=path.parent) for name, path in own.items()})
    for image in asked:
        for variant, line in variant_lines(own[image]).items():
            source, name = Source(folder=own[image].parent, variant=variant), f"{image}-{variant}"
            other = room.images.setdefault(name, source)
            if other is not source:
                room.clashes.append(_clash(name, source, line, other))
    return room


def _clash(name: str, source: Source, line: int, other: Source) -> Problem:
    whose = shown(other.path) + (f" gives its variant '{other.variant}'" if other.variant else " has")
    text = f"its image is '{name}', a name that {whose} already; rename one of them"
    return Problem(path=source.path, line=line, at=(VARIANTS, source.variant), text=text)


def _lock_name(source: Source, profile: str | None) -> str:
    """A variant's can't be taken for a profile's: no name holds a '.'."""
    stem = f"image-{source.variant}" if source.variant else "image"
    return f"{stem}.{profile}.lock.json" if profile else f"{stem}.lock.json"


def _first(layers: Iterable[Mapping[str, T]]) -> dict[str, T]:
    found: dict[str, T] = {}
    for layer in layers:
        found = {**layer, **found}
    return dict(sorted(found.items()))


def _images(folder: Path) -> Iterator[tuple[str, Path]]:
    return ((path.parent.name, path) for path in sorted(folder.glob("images/*/image.yaml")))


def _profiles(folder: Path) -> Iterator[tuple[str, Path]]:
    return ((path.stem, path) for path in sorted(folder.glob("profiles/*.yaml")))


def _overridden(kind: str, layers: list[dict[str, Path]]) -> Iterator[Overridden]:
    for number, winners in enumerate(layers):
        for name, winner in winners.items():
            hidden = [layer[name] for layer in layers[number + 1 :] if name in layer]
            if hidden and not any(name in layer for layer in layers[:number]):
                yield Overridden(kind=kind, name=name, winner=winner, hidden=hidden[0])


def _check_name(name: str, path: Path) -> None:
    if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
        rule = f"lower-case letters, digits and '-', {LONGEST_NAME} characters at most"
        raise InputError(f"{shown(path)}: '{name}' can't be a name; rename it: {rule}")


def _unknown(kind: str, name: str, known: Iterable[str], folders: tuple[Path, ...]) -> str:
    short = "images/{}/image.yml" if kind == "image" else "profiles/{}.yml"
    for folder in folders:
        if (wrong := folder / short.format(name)).is_file():
            return f"{shown(wrong)}: temper reads '.yaml'; rename it to '{wrong.stem}.yaml'"
    return f"{kind} '{name}': unknown {kind}{suggested(name, known)}"
