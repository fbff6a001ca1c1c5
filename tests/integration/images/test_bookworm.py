"""The release before, by the same code: an image of one's own on debian/bookworm."""

import pytest

from builder.image.engine import Engine
from tests.integration.images.desk import Build, Built, Desk, audits, failures, live_checks

pytestmark = pytest.mark.network

IMAGE = """
description: Python of the release before
base: debian/bookworm
packages: [ca-certificates, netbase, tzdata]
python:
  version: "3.11"
  requirements: [click==8.1.8]
entrypoint: [python3]
env: {LANG: C}
stop-signal: SIGINT
healthcheck: [python3, -I, -c, "import ssl, click; ssl.create_default_context()"]
writable:
  - {path: /tmp, size: 16m}
platforms: [linux/amd64]
"""


@pytest.fixture(scope="module")
def built(desk: Desk, build: Build) -> Built:
    folder = desk.folder / "images/bookworm"
    folder.mkdir()
    (folder / "image.yaml").write_text(IMAGE)
    return build("bookworm", platform="linux/amd64")


def test_every_control_passes(built: Built) -> None:
    assert failures(built.report) == []
    assert {one["audit"] for one in audits(built.report).values()} == {"passed"}


def test_it_is_that_release(desk: Desk, built: Built) -> None:
    tree = built.image().rootfs
    release = tree.resolve("etc/os-release")
    assert release is not None
    assert release.content is not None
    with release.content.open() as stream:
        assert b"VERSION_CODENAME=bookworm\n" in stream.read()
    python = tree.resolve("usr/bin/python3")
    assert python is not None
    assert python.path == "usr/bin/python3.11"
    assert "usr/local/lib/python3.11/dist-packages/click/core.py" in tree
    assert desk.lock("bookworm").is_file()


@pytest.mark.docker
def test_the_suites_pass_in_its_container(engine: Engine, built: Built) -> None:
    assert sum(check["outcome"] == "passed" for check in live_checks(built.report)) >= 60
    assert built.report["tag"] == "temper/bookworm:hardened"
