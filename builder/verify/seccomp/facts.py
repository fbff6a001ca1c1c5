"""The tables: a machine's calls, an engine's default profile, a container runtime's own needs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What one container runtime needs to start a program, or to execute another one beside it."""

    runtime: str
    """The row that it is of, `runc 1.0`: of a runtime that nobody measured, runc's newest."""
    calls: Mapping[str, str]
    """With the reason for each."""


def machine_calls(machine: str) -> frozenset[str]:
    """All that Linux has on `x86_64` or `aarch64`."""
    data = _calls()
    return frozenset(data["everywhere"]) | frozenset(data["only"][machine])


def default_calls(machine: str, engine: str) -> frozenset[str]:
    """What Docker's default profile allows a container without capabilities.

    `engine` is its version; of one that is older than all that is known here, the oldest is taken.
    """
    rows = _calls()["engines"]
    fitting = [row for row in rows if _number(row["since"]) <= _number(engine)] or rows[:1]
    return machine_calls(machine) - frozenset(fitting[-1]["refused"])


def argument_rules() -> dict[str, list[dict[str, Any]]]:
    """Calls that are let through with some arguments only: one of the conditions has to hold."""
    found: dict[str, list[dict[str, Any]]] = _calls()["arguments"]
    return found


def base_of(runtime: str) -> Base:
    """`runc 1.1.5+ds1` -> what it needs: each row holds from its version on."""
    name, _, version = runtime.partition(" ")
    rows = [row for row in _bases()["runtimes"] if row["name"] == name]
    fitting = [row for row in rows if _number(row["since"]) <= _number(version)] or rows[:1]
    fitting = fitting or _bases()["runtimes"]
    calls = {call: reason for row in fitting for call, reason in row["calls"].items()}
    return Base(runtime=f"{fitting[-1]['name']} {fitting[-1]['since']}", calls=calls)


def always() -> frozenset[str]:
    """Calls of every program that a recording can't show."""
    return frozenset(_bases()["always"])


def probe_calls() -> frozenset[str]:
    """What the shell of the live tests needs on top of the program's own calls."""
    return frozenset(_bases()["probe"])


def _number(version: str) -> tuple[int, ...]:
    """`20.10.24+dfsg1` -> (20, 10, 24)."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


@cache
def _calls() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((HERE / "calls.yaml").read_text(encoding="utf-8"))
    return found


@cache
def _bases() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((HERE / "bases.yaml").read_text(encoding="utf-8"))
    return found
