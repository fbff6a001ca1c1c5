"""Desks to work at: a new one, and one at which everything has been done once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.archive import LocalArchive
from tests.integration.cli.cosign import programs as cosign_programs
from tests.integration.cli.desk import IMAGE, IMAGE_FILE, PROFILE, PROFILE_FILE, Desk
from tests.integration.cli.forks import Forks, forking
from tests.integration.cli.mirror import serving
from tests.integration.registry import Front, Registry, fronting, registry_program
from tests.integration.registry import serving as serving_registry


@contextmanager
def new_desk(root: Path, forks: Forks) -> Iterator[Desk]:
    for folder in ("work", "home", "tmp", "archive"):
        (root / folder).mkdir()
    with serving(root / "archive") as mirror:
        desk = Desk(root, LocalArchive(root=root / "archive", url=mirror.url), mirror, forks)
        desk.write(IMAGE_FILE, IMAGE)
        desk.write(PROFILE_FILE, PROFILE)
        desk.published()
        yield desk


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with forking() as ready:
        yield ready


@pytest.fixture
def desk(tmp_path: Path, forks: Forks) -> Iterator[Desk]:
    """An image and a profile, a mirror; nothing locked, nothing in the store."""
    with new_desk(tmp_path, forks) as new:
        yield new


@pytest.fixture(scope="session")
def _used(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Iterator[Desk]:
    with new_desk(tmp_path_factory.mktemp("used"), forks) as desk:
        ran = desk.execute("build", "app")
        assert ran.code == 0, ran.err
        yield desk


@pytest.fixture
def used(desk: Desk, _used: Desk) -> Desk:
    """Locked and built before: lock, store and result are there. To read from and to spoil."""
    desk.copy_from(_used)
    return desk


@pytest.fixture
def locked(desk: Desk, _used: Desk) -> Desk:
    """A lock is there; the store is empty, nothing was built."""
    desk.write("images/app/image.lock.json", (_used.work / "images/app/image.lock.json").read_text())
    return desk


@pytest.fixture(scope="session")
def digest(_used: Desk) -> str:
    """Of the image that a build from this lock gives, whatever happened before."""
    index = (_used.work / "build/app-hardened-amd64/oci/index.json").read_text()
    return index.partition('"digest":"')[2].partition('"')[0]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return registry_program(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def registry(program: Path, tmp_path: Path) -> Iterator[Registry]:
    with serving_registry(program, tmp_path / "registry") as running:
        yield running


@pytest.fixture
def front(registry: Registry) -> Iterator[Front]:
    with fronting(registry.host) as running:
        yield running


@pytest.fixture(params=cosign_programs() or [""])
def cosign(request: pytest.FixtureRequest) -> list[str]:
    """Skips where there is none: it comes from no package."""
    if not request.param:
        pytest.skip("no cosign on the PATH")
    return [request.param]
