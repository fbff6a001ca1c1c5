"""Which programs were measured. No name of the machine, and no path of it."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from bench.clock import FailedError, output
from bench.place import TOP
from builder import __version__


def versions(env: Mapping[str, str]) -> dict[str, str]:
    return {
        "date": f"{datetime.now(tz=UTC):%Y-%m-%d}",
        "temper": f"{__version__}, commit {_said(env, 'git', 'rev-parse', '--short', 'HEAD')}",
        "python": platform.python_version(),
        "docker": _said(env, "docker", "version", "--format", "{{.Server.Version}}"),
        "mmdebstrap": _said(env, "mmdebstrap", "--version").removeprefix("mmdebstrap "),
        "kernel": platform.release().partition("-")[0],
        "processors": f"{len(os.sched_getaffinity(0))} of {_model()}",
    }


def _said(env: Mapping[str, str], *command: str) -> str:
    try:
        return output(command, env=env, cwd=TOP).strip()
    except FailedError as error:
        return f"none: {error}"


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
