"""An image that fails its own test in a container: it is told, and no tag moves to it."""

from pathlib import Path

import docker
import pytest

from tests.integration.images.conftest import tagged, tags_as_before
from tests.integration.images.desk import Desk, copy_data

pytestmark = [pytest.mark.network, pytest.mark.docker]

TAG = "temper/sample:hardened"
IMAGE = """
description: Ends when its input does
base: debian/trixie
packages: [ca-certificates, netbase, tzdata]
python: {version: "3.13"}
entrypoint: [python3]
stop-signal: SIGINT # what Python handles from its start
healthcheck: [python3, -I, -c, pass]
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """The image asks for what `python` does, so that its lock holds here too."""
    desk = Desk(folder=copy_data(tmp_path))
    folder = desk.folder / "images/sample"
    (folder / "tests").mkdir(parents=True)
    (folder / "image.yaml").write_text(IMAGE)
    return desk


@pytest.mark.parametrize("engine", ["auto", "docker"])
def test_a_tag_stays_where_it_was(desk: Desk, engine: str) -> None:
    suite = desk.folder / "images/sample/tests/test_sample.py"
    client = docker.from_env()
    build = ("build", "sample", "--verify", "--engine", engine)
    with tags_as_before(TAG):
        suite.write_text("def test_sound(host):\n    assert host.file('/etc/passwd').exists\n")
        assert f"\ntag       {TAG}\n" in desk.temper(*build)
        before = tagged(client, (TAG,))
        suite.write_text("def test_unsound(host):\n    assert host.file('/nowhere').exists\n")
        image = desk.folder / "images/sample/image.yaml"
        image.write_text(f"{IMAGE}labels: {{changed: 'yes'}}\n")
        printed = desk.temper(*build, code=1)
        assert "\ntag       none: its live tests fail\n" in printed
        assert "FAILED live tests\n  - sample: unsound" in printed
        assert before == tagged(client, (TAG,))
    client.close()
