"""The seccomp profile beside image.yaml: whether it is one, and its text as engines are told it."""

import json
from pathlib import Path
from typing import Any

REFUSALS = (
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_TRAP",
)
"""libseccomp's actions (OCI Runtime Specification 1.2, Linux seccomp) that refuse a call."""


def seccomp_problem(data: bytes) -> str:
    """What is wrong with it and what to do; empty where it is sound."""
    try:
        found = json.loads(data)
    except ValueError as error:
        return f"is not JSON ({error}); write a profile as Docker reads it"
    if not isinstance(found, dict) or not isinstance(found.get("syscalls"), list):
        return "is no seccomp profile; write one with 'defaultAction' and 'syscalls', as Docker reads it"
    if (action := found.get("defaultAction")) not in REFUSALS:
        return f"allows what it does not list (defaultAction '{action}'); write '{REFUSALS[0]}'"
    return ""


def seccomp_text(path: Path) -> str:
    """On one line, keys sorted: the same whoever wrote it. The profile is known to be sound."""
    found: Any = json.loads(path.read_bytes())
    return json.dumps(found, sort_keys=True, separators=(",", ":"))
