"""The profile as engines read it. Pure."""

import json
from collections.abc import Iterable
from typing import Any

from builder.verify.seccomp.facts import argument_rules, machine_calls

ALLOW = "SCMP_ACT_ALLOW"
REFUSE = "SCMP_ACT_ERRNO"
ENOSYS = 38
"""So that C libraries fall back to an older call; EPERM would tell them that nothing else can help."""
ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
"""The machine's own calls only: engines add its 32-bit ones to their default profiles."""
LEFT = "not needed by this image; by name for engines before 23.0, which know no defaultErrnoRet"


def make_profile(groups: Iterable[tuple[str, frozenset[str]]], machine: str) -> str:
    """JSON text. `groups` are calls and who needs them; a call stands with the first that does."""
    rules: list[dict[str, Any]] = []
    seen: set[str] = set()
    for comment, calls in groups:
        rules += _allowing(calls - seen, comment)
        seen |= calls
    left = {"names": sorted(machine_calls(machine) - seen), "action": REFUSE, "errnoRet": ENOSYS}
    data = {
        "defaultAction": REFUSE,
        "defaultErrnoRet": ENOSYS,
        "architectures": [ARCHITECTURES[machine]],
        "syscalls": [*rules, {**left, "comment": LEFT}],
    }
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


def _allowing(calls: frozenset[str], comment: str) -> list[dict[str, Any]]:
    """A rule for all, and one for each condition of those that are let through with some arguments only."""
    conditions = argument_rules()
    free = sorted(calls - conditions.keys())
    rules: list[dict[str, Any]] = [{"names": free, "action": ALLOW, "comment": comment}] if free else []
    for call in sorted(calls & conditions.keys()):
        for condition in conditions[call]:
            rules.append({"names": [call], "action": ALLOW, "args": [condition], "comment": comment})  # noqa: PERF401
    return rules


def allowed(text: str) -> frozenset[str]:
    """The calls that a profile lets through, with whatever arguments."""
    return frozenset(name for rule in json.loads(text)["syscalls"] if _allows(rule) for name in _names(rule))


def widened(text: str, calls: frozenset[str]) -> str:
    """The profile with `calls` let through as well; those that it lets through already stay as they are."""
    more = calls - allowed(text)
    if not more:
        return text
    data = json.loads(text)
    kept = [
        {**{key: value for key, value in rule.items() if key != "name"}, "names": names}
        for rule in data["syscalls"]
        if (names := [name for name in _names(rule) if name not in more])
    ]
    data["syscalls"] = [*kept, *_allowing(more, "live tests only: the probe shell")]
    return json.dumps(data, sort_keys=True, separators=(",", ":"))


def _allows(rule: dict[str, Any]) -> bool:
    """`SCMP_ACT_LOG` lets a call through, too."""
    return rule.get("action") in {ALLOW, "SCMP_ACT_LOG"}


def _names(rule: dict[str, Any]) -> list[str]:
    return [*rule.get("names", ()), *([rule["name"]] if "name" in rule else [])]
