"""Profiles by themselves: is one sound, and what would change with another? Only reads files."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.config.asked import Asked, ask, run_settings, scan_settings
from builder.config.chain import Link, chain_from
from builder.config.parse import in_order, news
from builder.config.problems import Problem, shown
from builder.config.waivers import effective_waivers
from builder.config.workspace import Workspace
from builder.controls.catalogue import BY_KEY
from builder.errors import InputError
from builder.show import table


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A profile with all that it extends, as plain data that two of can be compared."""

    name: str
    chain: tuple[str, ...]
    controls: Mapping[str, Mapping[str, Any]]
    """Key -> its parameters, defaults filled in."""
    off: Mapping[str, str]
    """Key -> why it was switched off."""
    packages: tuple[str, ...]
    run: Mapping[str, Any]
    scan: Mapping[str, Any]
    waivers: Mapping[str, str]
    """Key -> reason and last day."""


def settled(workspace: Workspace, name: str, path: Path, today: datetime.date) -> Settled:
    """Raises `InputError` with every problem of the profile and of what it extends."""
    links = chain_from(workspace, name, path)
    asked = ask(links, BY_KEY)
    waivers, wrong = effective_waivers(links, BY_KEY, today)
    problems = list(_problems(links, [*asked.problems, *wrong]))
    if problems:
        raise InputError(problems)
    return Settled(
        name=name,
        chain=tuple(link.name for link in links),
        controls=_parameters(asked),
        off={item.key: item.reason for item in asked.switched_off},
        packages=tuple(sorted({item for link in links if link.profile for item in link.profile.packages})),
        run=run_settings(links).model_dump(mode="json", by_alias=True),
        scan=scan_settings(links).model_dump(mode="json", by_alias=True),
        waivers={item.control: f"{item.reason} (until {item.expires})" for item in waivers},
    )


def _problems(links: Sequence[Link], further: Sequence[Problem]) -> Iterator[str]:
    for link in links:
        own = [problem for problem in further if problem.path == link.document.path]
        yield from map(str, in_order([*link.problems, *news(own, link.problems)]))


def _parameters(asked: Asked) -> dict[str, dict[str, Any]]:
    return {item.key: item.parameters.model_dump(mode="json", by_alias=True) for item in asked.controls}


def check(workspace: Workspace, path: Path, today: datetime.date) -> dict[str, Any]:
    """What a profile asks for, as plain data. Raises `InputError` with every problem of it."""
    found = settled(workspace, path.stem, path, today)
    return {
        "path": str(path),
        "name": found.name,
        "extends": list(found.chain[1:]),
        "controls": list(found.controls),
        "switched-off": dict(found.off),
        "waivers": dict(found.waivers),
        "packages": list(found.packages),
    }


def check_text(data: Mapping[str, Any]) -> str:
    above = f", extends {' -> '.join(data['extends'])}" if data["extends"] else ""
    lines = [f"{shown(Path(data['path']))}: sound{above}; asks for {len(data['controls'])} controls"]
    for title in ("switched-off", "waivers"):
        lines += [f"  {title.replace('-', ' ')}: {key}: {why}" for key, why in data[title].items()]
    lines += [f"  adds package {name}" for name in data["packages"]]
    return "\n".join(lines)


def diff(workspace: Workspace, first: str, second: str, today: datetime.date) -> dict[str, Any]:
    """What changes for an image that goes from one profile to another, as plain data."""
    old, new = (settled(workspace, name, workspace.profile(name), today) for name in (first, second))
    both = [key for key in BY_KEY if key in old.controls and key in new.controls]
    return {
        "from": first,
        "to": second,
        "added": [key for key in BY_KEY if key in new.controls and key not in old.controls],
        "removed": {
            key: new.off.get(key, "") for key in BY_KEY if key in old.controls and key not in new.controls
        },
        "parameters": {
            key: changes for key in both if (changes := _changes(old.controls[key], new.controls[key]))
        },
        "run": _changes(old.run, new.run),
        "scan": _changes(old.scan, new.scan),
        "packages": _changes(dict.fromkeys(old.packages, True), dict.fromkeys(new.packages, True)),
        "waivers": _changes(old.waivers, new.waivers),
    }


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Key -> what it was and what it is; `None` where it is not there."""
    return {
        key: {"from": old.get(key), "to": new.get(key)}
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    }


def diff_text(data: Mapping[str, Any]) -> str:
    rows: list[tuple[str, ...]] = []
    rows += [("+", key, BY_KEY[key].severity.value, BY_KEY[key].title) for key in data["added"]]
    for key, why in data["removed"].items():
        rows.append(("-", key, BY_KEY[key].severity.value, f"off: {why}" if why else BY_KEY[key].title))
    for key, changes in data["parameters"].items():
        rows += [
            ("~", key, BY_KEY[key].severity.value, f"{name}: {_told(change)}")
            for name, change in changes.items()
        ]
    sections = [f"{data['from']} -> {data['to']}", *(["controls", table(rows)] if rows else [])]
    for title in ("run", "scan", "packages", "waivers"):
        known = [(_sign(change), name, _told(change)) for name, change in data[title].items()]
        sections += [title, table(known)] if known else []
    return "\n".join(sections) if len(sections) > 1 else f"{sections[0]}: nothing changes"


def _sign(change: Mapping[str, Any]) -> str:
    return "+" if change["from"] is None else "-" if change["to"] is None else "~"


def _told(change: Mapping[str, Any]) -> str:
    """`512m -> 2g`; what came or went is told by its sign."""
    if change["from"] is None or change["to"] is None:
        value = change["to"] if change["from"] is None else change["from"]
        return "" if value is True else _plain(value)
    return f"{_plain(change['from'])} -> {_plain(change['to'])}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={_plain(item)}" for key, item in value.items()) or "none"
    return " ".join(map(_plain, value)) or "none" if isinstance(value, list) else str(value)
