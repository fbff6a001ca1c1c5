"""A profile and what it extends, nearest first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builder.config.check import package_names, repeated
from builder.config.document import Document
from builder.config.parse import Parsed, parsed
from builder.config.problems import Problem, suggested
from builder.config.workspace import Workspace
from builder.errors import InputError
from builder.model.profile import Profile

SWITCHES = {"yes", "no", "on", "off", "null", "~", ""}
"""What people write for a switch, and YAML readers read differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    name: str
    document: Document
    profile: Profile | None
    """What could be understood of it."""
    problems: tuple[Problem, ...]


def find_chain(workspace: Workspace, name: str) -> tuple[Link, ...]:
    """Raises `InputError` only where the first profile is unknown: later problems belong to a link."""
    return chain_from(workspace, name, workspace.profile(name))


def chain_from(workspace: Workspace, name: str, first: Path) -> tuple[Link, ...]:
    """As `find_chain`, but for a file that need not lie where profiles are looked for."""
    links: list[Link] = []
    path: Path | None = first
    while path is not None:
        link = _link(name, parsed(path, Profile))
        links.append(link)
        if link.profile is None or link.profile.extends is None:
            break
        name = link.profile.extends
        path, problem = _parent(workspace, links, name)
        if problem:
            links[-1] = replace(link, problems=(*link.problems, problem))
    return tuple(links)


def complete(links: Sequence[Link]) -> bool:
    """Whether every profile of the chain was found; an unknown key may have been meant as the `extends`."""
    problems = [problem for link in links for problem in link.problems]
    return all(link.profile for link in links) and not any(map(_hides_a_parent, problems))


def _hides_a_parent(problem: Problem) -> bool:
    unknown = len(problem.at) == 1 and problem.text.startswith("unknown key")
    return unknown or problem.at[:1] in {(), ("extends",)}


def _link(name: str, result: Parsed[Profile]) -> Link:
    document, profile = result.document, result.value
    wrong = [] if profile is None else [*package_names(profile.packages), *_twice(profile)]
    problems = [problem for problem in result.problems if not _is_a_switch(problem, document)]
    problems += [document.problem(at, text) for at, text in wrong]
    return Link(name=name, document=document, profile=profile, problems=tuple(problems))


def _is_a_switch(problem: Problem, document: Document) -> bool:
    """What is wrong with `no-shell: off` is told by `ask`, which knows that a reason is wanted."""
    text = document.texts.get(problem.at, "true").lower()
    return problem.at[:1] == ("controls",) and len(problem.at) == 2 and text in SWITCHES


def _twice(profile: Profile) -> list[tuple[tuple[str | int, ...], str]]:
    waived = [waiver.control for waiver in profile.waivers]
    devices = [device.path for device in profile.run.devices or ()]
    return [
        *repeated(("packages",), profile.packages),
        *repeated(("run", "groups"), profile.run.groups or ()),
        *repeated(("run", "pass-env"), profile.run.pass_env or ()),
        *repeated(("run", "devices"), devices, ("path",)),
        *repeated(("waivers",), waived, ("control",)),
    ]


def _parent(workspace: Workspace, links: list[Link], wanted: str) -> tuple[Path | None, Problem | None]:
    last = links[-1]
    try:
        path = _find(workspace, wanted, last)
    except InputError as error:
        return None, last.document.problem(("extends",), str(error))
    visited = [link.document.path for link in links]
    if path in visited:
        circle = " -> ".join([*(link.name for link in links[visited.index(path) :]), wanted])
        return None, last.document.problem(("extends",), f"goes in a circle: {circle}; remove one 'extends'")
    return path, None


def _find(workspace: Workspace, wanted: str, last: Link) -> Path:
    """A profile that extends its own name means the one that it hides."""
    if wanted == last.name and (hidden := workspace.hidden_profile(last.document.path)):
        return hidden
    known = workspace.profiles()
    if wanted not in known:
        raise InputError(f"unknown profile '{wanted}'{suggested(wanted, known)}")
    return known[wanted]
