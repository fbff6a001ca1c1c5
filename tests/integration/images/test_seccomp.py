"""temper seccomp on a real server: recorded, fitted, and the whole suite under it."""

import json

import pytest

from builder.verify.seccomp.facts import default_calls
from builder.verify.seccomp.profile import allowed
from tests.integration.images.desk import Build, Desk

pytestmark = [pytest.mark.network, pytest.mark.docker, pytest.mark.slow]


def test_a_profile_fits_the_server_and_passes_every_suite(desk: Desk, build: Build) -> None:
    folder = build("onnx-inference").folder
    report = json.loads(desk.temper("seccomp", "onnx-inference", "--format", "json"))
    found = allowed((folder / "definition/run/onnx-inference.seccomp.json").read_text())
    row = report["seccomp"]
    assert row["allowed"] == len(found) < row["default"] / 3
    assert row["runtime"].split()[0] in ("runc", "crun")
    assert {"socket", "listen", "epoll_wait", "clone", "futex"} <= found
    assert not {"ptrace", "unshare", "mount", "io_uring_setup", "getgroups"} & found
    assert found <= default_calls("x86_64", row["engine"])
    assert not [note for note in report["not-run"] if note.startswith("recording")]
    assert "onnx-inference.seccomp.json" in (folder / "definition/run/docker-run.sh").read_text()
