"""Real builds through the command `temper`, from the distribution's archive, in a copy of our images.

Each image is built once for all the tests. The store is the person's own, so that what was downloaded stays;
locks are written into the copy: where locked files have left the mirror, the checkout stays as it is.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import docker
import docker.errors
import pytest

from builder.errors import EngineError
from builder.image.engine import Engine
from builder.model.spec import PLATFORMS
from builder.workplace import host_platform
from tests.integration.images.desk import Build, Built, Desk, copy_data

PYTHON = "temper/python:hardened"
OURS = (
    PYTHON,
    "temper/python:dev",
    "temper/onnx-inference:hardened",
    "temper/cuda-runtime:hardened",
    "temper/cuda-runtime-12:hardened",
    "temper/notebook:hardened",
    "temper/bookworm:hardened",
    "temper/teller:company",
)
"""What the tests here build; other tags are other people's."""


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(folder=copy_data(tmp_path_factory.mktemp("desk")))


@pytest.fixture(scope="session")
def build(desk: Desk, tags: None) -> Build:
    """Each image once: verified where an engine answers, audited in any case."""
    done: dict[tuple[str, ...], Built] = {}
    settled: set[str] = set()

    def make(image: str, *, profile: str = "hardened", platform: str | None = None) -> Built:
        platform = platform or host_platform()
        key = (image, profile, platform)
        if key not in done:
            if desk.lock(image).is_file() and image not in settled:
                settle(desk, image)
                settled.add(image)
            printed = desk.temper("build", image, "-p", profile, "--platform", platform, "--verify", "--json")
            folder = desk.folder / "build" / f"{image}-{profile}-{platform.partition('/')[2]}"
            report = json.loads((folder / "report.json").read_text())
            done[key] = Built(folder=folder, printed=printed, report=report)
        return done[key]

    return make


def settle(desk: Desk, image: str) -> None:
    """So that one lock holds for all builds: where one platform's files have left the mirror, it moves."""
    while True:
        before = desk.lock(image).read_bytes()
        for platform in PLATFORMS:
            desk.temper("render", image, "--platform", platform, "-o", desk.folder / "build/settled")
        if desk.lock(image).read_bytes() == before:
            return


@pytest.fixture(scope="session")
def other_platform() -> str:
    """One that this machine can't run."""
    return next(name for name in PLATFORMS if name != host_platform())


@pytest.fixture(scope="session")
def tags() -> Iterator[None]:
    """The tags of builds point at the end to where they did before, or are gone with their images."""
    try:
        Engine.connect().close()
    except EngineError:
        yield
        return
    with tags_as_before(*OURS):
        yield


@contextmanager
def tags_as_before(*tags: str) -> Iterator[None]:
    """And no image stays that came meanwhile. What somebody else removed meanwhile is not missed."""
    client = docker.from_env()
    before, known = tagged(client, tags), {item["Id"] for item in client.api.images(all=True)}
    try:
        yield
    finally:
        after = tagged(client, tags)
        for tag, identity in after.items():
            if tag not in before:
                remove(client, tag)
            elif before[tag] != identity:
                with suppress(docker.errors.APIError):
                    client.api.tag(before[tag], *tag.rsplit(":", 1))
        for identity in set(after.values()) - known:
            remove(client, identity)
        client.close()


def tagged(client: docker.DockerClient, tags: tuple[str, ...]) -> dict[str, str]:
    found = ((tag, item["Id"]) for item in client.api.images() for tag in item["RepoTags"] or ())
    return {tag: identity for tag, identity in found if tag in tags}


def remove(client: docker.DockerClient, image: str) -> None:
    """One that others use is left alone."""
    with suppress(docker.errors.APIError):
        client.api.remove_image(image)


@pytest.fixture
def own_tags() -> Iterator[None]:
    """For a test that has the tag of `python` moved."""
    with tags_as_before(PYTHON):
        yield
