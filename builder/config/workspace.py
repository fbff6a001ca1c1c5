"""Where images and profiles are found: a team's own folder first, then what ships with Temper."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from builder.config.problems import shown, suggested
from builder.errors import InputError
from builder.resources import data_folder, installed_folder

NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
"""Names become tags, container names and Kubernetes names (RFC 1123 labels)."""
LONGEST_NAME = 50
"""Of a label's 63 characters, some are left for what is put around a name."""


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

    def images(self) -> dict[str, Path]:
        """Name -> the folder that holds its image.yaml, by name."""
        return _first({name: path.parent for name, path in _images(folder)} for folder in self.folders)

    def profiles(self) -> dict[str, Path]:
        """Name -> its file, by name."""
        return _first(dict(_profiles(folder)) for folder in self.folders)

    def image(self, name: str) -> Path:
        """The folder of an image. Raises `InputError` with what it may have been meant."""
        found = self.images()
        if name not in found:
            raise InputError(_unknown("image", name, found, self.folders))
        _check_name(name, found[name] / "image.yaml")
        return found[name]

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
            *_overridden("image", [dict(_images(folder)) for folder in self.folders]),
            *_overridden("profile", [dict(_profiles(folder)) for folder in self.folders]),
        )

    def lock_path(self, image: str, profile: str | None = None) -> Path:
        """The lock to read: the working directory's, else the one beside image.yaml (there or not).

        `profile` is the one that adds packages of its own, if it does.
        """
        own = self.cwd / "images" / image / _lock_name(profile)
        return own if own.is_file() else self.image(image) / _lock_name(profile)

    def lock_target(self, image: str, profile: str | None = None) -> Path:
        """The lock to write: beside image.yaml, but never inside an installed package."""
        folder = self.image(image)
        if folder.resolve().is_relative_to(installed_folder()):
            folder = self.cwd / "images" / image
        return folder / _lock_name(profile)


def _lock_name(profile: str | None) -> str:
    return f"image.{profile}.lock.json" if profile else "image.lock.json"


def _first(layers: Iterator[dict[str, Path]]) -> dict[str, Path]:
    found: dict[str, Path] = {}
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


def _unknown(kind: str, name: str, known: dict[str, Path], folders: tuple[Path, ...]) -> str:
    short = "images/{}/image.yml" if kind == "image" else "profiles/{}.yml"
    for folder in folders:
        if (wrong := folder / short.format(name)).is_file():
            return f"{shown(wrong)}: temper reads '.yaml'; rename it to '{wrong.stem}.yaml'"
    return f"{kind} '{name}': unknown {kind}{suggested(name, known)}"
