"""Image + profile -> plan: all defaults filled in, every conflict refused, every problem told at once."""

import datetime
from collections.abc import Sequence
from pathlib import Path

from builder.config.asked import Catalogue, ask, run_settings
from builder.config.chain import Link, find_chain
from builder.config.check import conflicts
from builder.config.parse import Parsed, in_order, news, parsed
from builder.config.problems import Problem
from builder.config.seccomp import seccomp_text
from builder.config.waivers import effective_waivers
from builder.config.workspace import Workspace
from builder.errors import InputError
from builder.model import gpu
from builder.model.plan import ForeignPlan, PackageRequest, Plan
from builder.model.spec import ImageSpec


def make_plan(
    workspace: Workspace,
    image: str,
    profile: str,
    catalogue: Catalogue,
    today: datetime.date,
) -> Plan:
    """`catalogue` is in the order of enforcement; `today` decides which waivers have expired.

    Raises `InputError` with all problems of image.yaml, then of the profile, then of what it extends.
    """
    folder, image_problems, sheet = _image(workspace, image)
    links, profile_problems = _chain(workspace, profile)
    asked = ask(links, catalogue)
    waivers, wrong = effective_waivers(links, catalogue, today)
    problems = [*image_problems, *profile_problems, *_per_file(links, [*asked.problems, *wrong])]
    if problems or folder is None or sheet is None:
        raise InputError(problems)
    return Plan(
        image=image,
        profile=profile,
        chain=tuple(link.name for link in links),
        spec=sheet,
        folder=folder,
        packages=_requests(sheet, links),
        controls=asked.controls,
        switched_off=asked.switched_off,
        run=run_settings(links, gpu.run_defaults(sheet)),
        waivers=waivers,
        seccomp=seccomp_text(folder / sheet.seccomp) if sheet.seccomp else "",
    )


def make_foreign_plan(
    workspace: Workspace, image: str, profile: str, catalogue: Catalogue, today: datetime.date
) -> ForeignPlan:
    """The profile's part of a plan alone. Raises `InputError` as `make_plan` does."""
    links, problems = _chain(workspace, profile)
    asked = ask(links, catalogue)
    waivers, wrong = effective_waivers(links, catalogue, today)
    problems += _per_file(links, [*asked.problems, *wrong])
    if problems:
        raise InputError(problems)
    return ForeignPlan(
        image=image,
        profile=profile,
        chain=tuple(link.name for link in links),
        controls=asked.controls,
        switched_off=asked.switched_off,
        waivers=waivers,
    )


def lock_profile(plan: Plan) -> str | None:
    """The profile's name where the chain adds packages: then the plan has a lock of its own."""
    adds = any(request.asked_by.startswith("profile ") for request in plan.packages)
    return plan.profile if adds else None


def _image(workspace: Workspace, name: str) -> tuple[Path | None, list[str], ImageSpec | None]:
    try:
        folder = workspace.image(name)
    except InputError as error:
        return None, list(error.problems), None
    result = parsed(folder / "image.yaml", ImageSpec)
    return folder, [str(problem) for problem in _image_problems(result, folder)], result.value


def _image_problems(result: Parsed[ImageSpec], folder: Path) -> tuple[Problem, ...]:
    if result.value is None:
        return result.problems
    further = conflicts(result.value, result.document, folder)
    return in_order([*result.problems, *news(further, result.problems)])


def _chain(workspace: Workspace, name: str) -> tuple[tuple[Link, ...], list[str]]:
    try:
        return find_chain(workspace, name), []
    except InputError as error:
        return (), list(error.problems)


def _per_file(links: Sequence[Link], further: Sequence[Problem]) -> list[str]:
    """Nearest profile first; without what only follows from a problem of form in the same file."""
    texts = []
    for link in links:
        own = [problem for problem in further if problem.path == link.document.path]
        texts += [str(problem) for problem in in_order([*link.problems, *news(own, link.problems)])]
    return texts


def _requests(spec: ImageSpec, links: Sequence[Link]) -> tuple[PackageRequest, ...]:
    """Who asks first is named; the order is that of the files."""
    wanted = [(name, "image") for name in spec.packages]
    if spec.python:
        wanted.append((f"python{spec.python.version}", "python"))
    wanted += [(name, "gpu") for name in gpu.packages(spec)]
    for link in links:
        wanted += [(name, f"profile {link.name}") for name in (link.profile.packages if link.profile else ())]
    first: dict[str, str] = {}
    for name, by in wanted:
        first.setdefault(name, by)
    return tuple(PackageRequest(name=name, asked_by=by) for name, by in first.items())
