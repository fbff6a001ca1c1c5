"""What the integration tests stand on: a container engine where one answers, and how two images compare."""

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from builder.image.engine import Engine
from builder.model.image import Image
from builder.model.tree import Entry
from tests.integration.real_engine import real_engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    yield from real_engine()


def compare(ours: Image, theirs: Image) -> list[str]:
    """Every difference in the files, entry by entry and field by field, and in the config.

    Not the time of creation, which an engine sets itself.
    """
    found = [f"{path}: only in ours" for path in ours.rootfs if path not in theirs.rootfs]
    found += [f"{path}: only in theirs" for path in theirs.rootfs if path not in ours.rootfs]
    for path, entry in ours.rootfs.items():
        if path in theirs.rootfs:
            found += _differences(path, _facts(entry), _facts(theirs.rootfs[path]))
    config = dataclasses.asdict(ours.config.replace(created=0))
    return found + _differences("config", config, dataclasses.asdict(theirs.config.replace(created=0)))


def _facts(entry: Entry) -> dict[str, object]:
    """Without the owner, which no archive carries, and with the content by digest."""
    fields = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
    return {**fields, "owner": None, "content": entry.content and entry.content.sha256}


def _differences(place: str, ours: dict[str, object], theirs: dict[str, object]) -> list[str]:
    return [
        f"{place}: {key}: ours {ours[key]!r}, theirs {theirs[key]!r}"
        for key in ours
        if ours[key] != theirs[key]
    ]


@pytest.fixture(scope="session")
def differences() -> Callable[[Image, Image], list[str]]:
    """`differences(ours, theirs)` as one line each; for two images that should be the same."""
    return compare
