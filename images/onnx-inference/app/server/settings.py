"""The server's settings, from `ONNX_*` environment variables, all problems told at once."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.errors import SettingError

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def positive(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise ValueError("write a whole number above 0")
    return int(text)


def size(text: str) -> int:
    """Bytes: `1048576`, or with a unit `16m` (powers of 1024)."""
    found = re.fullmatch(r"([1-9][0-9]{0,11})([kmg]?)", text.lower())
    if found is None:
        raise ValueError("write bytes, or a size such as 16m")
    return int(found[1]) * UNITS[found[2]]


def seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text) or float(text) == 0:
        raise ValueError("write seconds above 0, such as 30 or 0.5")
    return float(text)


def address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("write an address and a port, such as 0.0.0.0:8000 or [::]:8000")
    return host.strip("[]"), int(port)


def names(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise ValueError("write names with commas between them")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    models: Path = Path("/models")
    listen: tuple[str, int] = ("0.0.0.0", 8000)  # noqa: S104 - a container's own network namespace
    threads: int | None = None
    """Threads inside one inference; `None`: as many as the CPU limit allows."""
    concurrency: int = 1
    """Inferences at the same time, over all models."""
    queue: int = 64
    """Requests that may wait for their turn; more are told 503."""
    max_request: int = 16 << 20
    """Bytes of one request's body."""
    max_buffered: int = 64 << 20
    """Bytes of all bodies in memory at one time; a request on top of that is told 503."""
    timeout: float = 30.0
    """Seconds for one inference, waiting included; then it is stopped."""
    read_timeout: float = 30.0
    """Seconds for a client to send its request."""
    grace: float = 20.0
    """Seconds for running requests to end after SIGTERM."""
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    """Of onnxruntime, the preferred one first. A model runs on none but these."""


VARIABLES: dict[str, tuple[str, Any]] = {
    "ONNX_MODELS": ("models", Path),
    "ONNX_LISTEN": ("listen", address),
    "ONNX_THREADS": ("threads", positive),
    "ONNX_CONCURRENCY": ("concurrency", positive),
    "ONNX_QUEUE": ("queue", positive),
    "ONNX_MAX_REQUEST": ("max_request", size),
    "ONNX_MAX_BUFFERED": ("max_buffered", size),
    "ONNX_TIMEOUT": ("timeout", seconds),
    "ONNX_READ_TIMEOUT": ("read_timeout", seconds),
    "ONNX_GRACE": ("grace", seconds),
    "ONNX_PROVIDERS": ("providers", names),
}


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Unset and empty variables keep the default. Raises `SettingError` naming every bad one."""
    values: dict[str, Any] = {}
    problems = []
    for variable, (field, parse) in VARIABLES.items():
        text = environ.get(variable, "").strip()
        if not text:
            continue
        try:
            values[field] = parse(text)
        except ValueError as error:
            problems.append(f"{variable}: '{text}' does not fit; {error}")
    if problems:
        raise SettingError("\n".join(problems))
    return Settings(**values)


def cpu_limit(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Whole CPUs this process may use, at least 1: the affinity mask, and the cgroup's quota.

    onnxruntime itself counts the host's cores, and so thrashes in a container that may use one of 64.
    """
    cpus = float(len(os.sched_getaffinity(0)))
    for quota in (_quota_v2(cgroup), _quota_v1(cgroup)):
        if quota is not None:
            cpus = min(cpus, quota)
    return max(1, round(cpus))


def _quota_v2(cgroup: Path) -> float | None:
    words = _read(cgroup / "cpu.max").split()
    if len(words) != 2 or words[0] == "max":
        return None
    return int(words[0]) / int(words[1])


def _quota_v1(cgroup: Path) -> float | None:
    quota, period = _read(cgroup / "cpu/cpu.cfs_quota_us"), _read(cgroup / "cpu/cpu.cfs_period_us")
    if not quota or not period or int(quota) <= 0:
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
