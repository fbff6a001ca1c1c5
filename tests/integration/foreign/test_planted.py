"""A full Debian with planted faults by `docker build`: all are caught, and hardening mends what it can."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import docker
import pytest

from builder.image.engine import Engine
from builder.image.layout import read_layout
from tests.integration.foreign.conftest import NAME, Desk, answer
from tests.integration.foreign.planted import FAULTS, LOST, PATCHED, SMALL, dockerfile
from tests.integration.images.certificates import authority_and_server

pytestmark = [pytest.mark.docker, pytest.mark.network]

HERE = Path(__file__).parent
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq\n"


@pytest.fixture(scope="module")
def faulty(desk: Desk, base: str, engine: Engine) -> Iterator[str]:
    """The tag of the image with all faults."""
    tag = f"temper-test/{NAME}:faulty"
    try:
        context = desk.folder / "context"
        copytree(HERE / "context", context, ignore=lambda *_: ["__pycache__"])
        (context / "deploy.pem").write_text(KEY)
        (context / "stranger.pem").write_bytes(authority_and_server()[0])
        (context / "model.pkl").write_bytes(pickle.dumps({"weights": [1.0]}))
        (context / "Dockerfile").write_text(dockerfile(base))
        engine.build(context, tag)
        yield tag
    finally:
        for name in (f"temper-test/{NAME}:hard", tag):
            engine.remove_image(name)


@pytest.fixture(scope="module")
def audited(desk: Desk, faulty: str) -> dict[str, Any]:
    code, report = desk.temper("audit", faulty, "--format", "json")
    assert code == 1
    return {control["key"]: control for control in report["controls"]}


@pytest.fixture(scope="module")
def quiet(desk: Desk, engine: Engine, faulty: str) -> Iterator[str]:
    """The same image without the health check, for which a shell would have to stay."""
    context = desk.folder / "quiet"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {faulty}\nHEALTHCHECK NONE\n")
    tag = f"temper-test/{NAME}:quiet"
    engine.build(context, tag)
    yield tag
    engine.remove_image(tag)


@pytest.fixture(scope="module")
def hardened(desk: Desk, quiet: str) -> dict[str, Any]:
    _, report = desk.temper(
        "harden", quiet, "-o", "hard", "--tag", f"temper-test/{NAME}:hard", "--format", "json"
    )
    return report


def test_every_control_of_the_profile_has_a_fault_or_a_reason(audited: dict[str, Any]) -> None:
    assessed = {key for key, control in audited.items() if control["audit"] != "not assessed"}
    elsewhere = {key for small in SMALL.values() for key in small.caught} | PATCHED.keys() | LOST.keys()
    assert assessed == FAULTS.keys() | elsewhere


@pytest.mark.parametrize("key", FAULTS)
def test_a_planted_fault_is_caught(audited: dict[str, Any], key: str) -> None:
    messages = [finding["message"] for finding in audited[key]["findings"]]
    assert audited[key]["audit"] == "failed"
    assert any(FAULTS[key].evidence in message for message in messages), messages


def test_the_deleted_secret_is_found_with_the_step_that_brought_it(audited: dict[str, Any]) -> None:
    (message,) = [item["message"] for item in audited["no-secrets"]["findings"]]
    assert "made by 'COPY file:" in message
    assert " in /app/'" in message


def test_hardening_mends_what_it_can(hardened: dict[str, Any]) -> None:
    failed = {control["key"] for control in hardened["controls"] if control["audit"] == "failed"}
    assert failed == {key for key, fault in FAULTS.items() if not fault.mended}


def test_nothing_that_was_deleted_is_left(desk: Desk, hardened: dict[str, Any]) -> None:
    image = read_layout(desk.folder / "hard" / "oci")
    assert not [path for layer in image.layers for path in layer.rootfs if path.endswith("deploy.pem")]


def test_the_hardened_image_does_its_work(engine: Engine, hardened: dict[str, Any]) -> None:
    assert answer(engine, hardened["tag"]) == "it works"


def test_a_shell_that_the_health_check_needs_stays_and_is_said(desk: Desk, faulty: str) -> None:
    _, report = desk.temper("harden", faulty, "--dry-run", "--format", "json")
    assert "no-shell: usr/bin/dash stays, for the health check" in report["advice"]
    (control,) = [item for item in report["controls"] if item["key"] == "no-shell"]
    assert (control["audit"], "removed usr/bin/bash" in control["changed"]) == ("failed", True)


def test_the_same_image_is_hardened_to_the_same_digest(
    desk: Desk, quiet: str, hardened: dict[str, Any], differences: Callable[..., list[str]]
) -> None:
    _, again = desk.temper("harden", quiet, "-o", "again", "--format", "json")
    assert again["digest"] == hardened["digest"]
    assert differences(read_layout(desk.folder / "again/oci"), read_layout(desk.folder / "hard/oci")) == []


def test_a_running_container_means_its_image(desk: Desk, engine: Engine, hardened: dict[str, Any]) -> None:
    client = docker.from_env()
    running = client.containers.run(hardened["tag"], detach=True)
    try:
        _, report = desk.temper("audit", f"container:{running.name}", "--format", "json")
    finally:
        running.remove(force=True)
        client.close()
    failed = {control["key"] for control in report["controls"] if control["audit"] == "failed"}
    assert failed == {key for key, fault in FAULTS.items() if not fault.mended}
