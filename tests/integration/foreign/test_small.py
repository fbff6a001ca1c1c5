"""Faults in images of their own, on a sound one: each is caught by its control, and nothing else is."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from builder.image.engine import Engine
from builder.image.layout import read_layout
from tests.integration.foreign.conftest import NAME, Desk, answer
from tests.integration.foreign.planted import PATCHED, SMALL, SOUND, escaped

pytestmark = [pytest.mark.docker, pytest.mark.network]

HERE = Path(__file__).parent
Build = Callable[[str, str], str]
Controls = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def build(desk: Desk, engine: Engine) -> Iterator[Build]:
    """By the engine, of the lines of a Dockerfile; the tag, which is gone at the end."""
    tags = []

    def made(name: str, lines: str) -> str:
        context = desk.folder / f"small-{name}"
        copytree(HERE / "context", context, ignore=lambda *_: ["__pycache__"])
        (context / "Dockerfile").write_text(f"{lines}\n")
        tags.append(f"temper-test/{NAME}:{name}")
        engine.build(context, tags[-1])
        return tags[-1]

    yield made
    for tag in reversed(tags):
        engine.remove_image(tag)


@pytest.fixture(scope="module")
def sound(build: Build, base: str) -> str:
    return build("sound", SOUND.format(base=base))


def audited(desk: Desk, reference: str) -> Controls:
    _, report = desk.temper("audit", reference, "--format", "json")
    return {control["key"]: control for control in report["controls"]}


def failed(controls: Controls) -> set[str]:
    return {key for key, control in controls.items() if control["audit"] == "failed"}


@pytest.fixture(scope="module")
def before(desk: Desk, sound: str) -> set[str]:
    """What fails of the sound image, since it is a full Debian."""
    found = failed(audited(desk, sound))
    assert not found & {key for small in SMALL.values() for key in small.caught}
    return found


def caught(controls: Controls, expected: Mapping[str, str]) -> bool:
    return all(
        any(evidence in finding["message"] for finding in controls[key]["findings"])
        for key, evidence in expected.items()
    )


def test_user_and_groups_are_caught_and_mended(
    desk: Desk, engine: Engine, build: Build, sound: str, before: set[str]
) -> None:
    """And what no engine writes, in the archive that one wrote: an entry that leads out of the tree."""
    with (desk.folder / "saved.tar").open("wb") as file:
        engine.save(build("groups", f"FROM {sound}\n{SMALL['groups'].lines}"), file)
    escaped(desk.folder / "saved.tar", desk.folder / "escaped.tar")
    expected = {**SMALL["groups"].caught, **PATCHED}
    controls = audited(desk, "escaped.tar")
    assert failed(controls) - before == expected.keys()
    assert caught(controls, expected)
    assert not failed(hardened(desk, engine, "escaped.tar", "hard-groups")) & expected.keys()


def test_a_user_that_is_not_there_and_a_shell_form_entrypoint(
    desk: Desk, engine: Engine, build: Build, sound: str, before: set[str]
) -> None:
    """The image's engine can't even start it: after hardening it does its work, with its shell."""
    ghost = SMALL["ghost"]
    tag = build("ghost", f"FROM {sound}\n{ghost.lines}")
    controls = audited(desk, tag)
    assert failed(controls) - before == ghost.caught.keys()
    assert caught(controls, ghost.caught)
    left = failed(hardened(desk, engine, tag, "hard-ghost"))
    assert left & ghost.caught.keys() == ghost.caught.keys() - set(ghost.mended)


def hardened(desk: Desk, engine: Engine, reference: str, name: str) -> Controls:
    """The report on the hardened image, which does its work."""
    tag = f"temper-test/{NAME}:{name}"
    try:
        _, report = desk.temper("harden", reference, "-o", name, "--tag", tag, "--format", "json")
        user = read_layout(desk.folder / name / "oci").config.user
        assert answer(engine, tag, user) == "it works"
    finally:
        engine.remove_image(tag)
    return {control["key"]: control for control in report["controls"]}
