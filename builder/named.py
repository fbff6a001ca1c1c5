"""A finished image by whatever name a person has for it: one of ours, or any other."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.errors import InputError
from builder.image.layout import Stored, find_image, read_image
from builder.image.memory import Memory
from builder.reference import Opened, opened
from builder.results import output_folder
from builder.stages import LAYOUT
from builder.workplace import Workplace, chosen_platform
from builder.workplace import plan as make_plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which of an image's forms is meant."""

    profile: str = "hardened"
    """Of our own images."""
    platform: str | None = None
    by_name: bool = False
    """Layers that were ever read here are not opened again: what the manifest says of them is believed."""


@contextmanager
def named(place: Workplace, reference: str, wanted: Wanted) -> Iterator[Opened]:
    """Reads the image; its contents can be read again as long as the block runs.

    The name of an image with an image.yaml means what `build` left in its default folder. Raises what
    `opened` does, and `InputError` for an image of ours that was not built yet.
    """
    known = place.workspace.images()
    if reference in known:
        yield built(place, reference, wanted)
        return
    memory = Memory(store=place.store, by_name=True) if wanted.by_name else None
    with opened(reference, place.store, place.progress, wanted.platform, known, memory) as other:
        yield other


def built(place: Workplace, name: str, wanted: Wanted) -> Opened:
    folder, stored = located(place, name, wanted)
    image = read_image(stored, Memory(store=place.store, by_name=wanted.by_name))
    return Opened(image=image, stored=stored, name=f"{name} ({wanted.profile})", place=folder)


def located(place: Workplace, name: str, wanted: Wanted) -> tuple[Path, Stored]:
    """The folder of an image of ours and the parts of the layout in it, none of which was read."""
    plan = make_plan(place, name, wanted.profile)
    platform = chosen_platform(plan, wanted.platform)
    folder = output_folder(plan, platform, None)
    if not (folder / LAYOUT).is_dir():
        raise InputError(
            f"{folder / LAYOUT}: no such image; run `temper build {name} --profile {wanted.profile}` first"
        )
    return folder, find_image(folder / LAYOUT, platform)
