"""Image + profile -> plan: all defaults filled in, every conflict refused, every problem told at once."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from builder.config.asked import Catalogue, ask, run_settings, scan_settings
from builder.config.chain import Link, find_chain
from builder.config.check import conflicts
from builder.config.parse import Parsed, in_order, news, parsed, understood
from builder.config.problems import Problem
from builder.config.seccomp import seccomp_text
from builder.config.variants import VARIANTS, varied, written_variants
from builder.config.waivers import effective_waivers
from builder.config.workspace import LONGEST_NAME, Source, Workspace
from builder.errors import InputError
from builder.model import gpu, jit
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
    source, image_problems, sheet = _image(workspace, image)
    links, profile_problems = _chain(workspace, profile)
    asked = ask(links, catalogue)
    waivers, wrong = effective_waivers(links, catalogue, today)
    problems = [*image_problems, *profile_problems, *_per_file(links, [*asked.problems, *wrong])]
    if problems or source is None or sheet is None:
        raise InputError(problems)
    return Plan(
        image=image,
        profile=profile,
        chain=tuple(link.name for link in links),
        variant=source.variant,
        spec=sheet,
        folder=source.folder,
        packages=_requests(sheet, links),
        controls=asked.controls,
        switched_off=asked.switched_off,
        run=run_settings(links, gpu.run_defaults(sheet)),
        waivers=waivers,
        seccomp=seccomp_text(source.folder / sheet.seccomp) if sheet.seccomp else "",
        scan=scan_settings(links),
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
        scan=scan_settings(links),
    )


def lock_profile(plan: Plan) -> str | None:
    """The profile's name where the chain adds packages: then the plan has a lock of its own."""
    adds = any(request.asked_by.startswith("profile ") for request in plan.packages)
    return plan.profile if adds else None


def _image(workspace: Workspace, name: str) -> tuple[Source | None, list[str], ImageSpec | None]:
    """Every problem of the file, whichever of its images is wanted."""
    try:
        source = workspace.image(name)
    except InputError as error:
        return None, list(error.problems), None
    result = parsed(source.path, ImageSpec)
    sheets = {"": result, **_variants(result)}
    problems = [*_of_all(sheets, source.folder), *_idle(source.folder.name, sheets), *workspace.clashes(name)]
    found = sheets[source.variant].value if source.variant in sheets else None
    return source, [str(problem) for problem in in_order(problems)], found


def _variants(result: Parsed[ImageSpec]) -> dict[str, Parsed[ImageSpec]]:
    names = written_variants(result.document)
    return {name: understood(varied(result.document, name), ImageSpec) for name in names}


def _of_all(sheets: Mapping[str, Parsed[ImageSpec]], folder: Path) -> Iterator[Problem]:
    """What is wrong with the image is so with each variant, and told once."""
    told: set[Problem] = set()
    for name, sheet in sheets.items():
        for problem in _image_problems(sheet, folder):
            if problem not in told:
                told.add(problem)
                hidden = name and not problem.root  # the line itself is sound
                yield replace(problem, text=f"in variant '{name}': {problem.text}") if hidden else problem


def _image_problems(result: Parsed[ImageSpec], folder: Path) -> tuple[Problem, ...]:
    if result.value is None:
        return result.problems
    further = conflicts(result.value, result.document, folder)
    return in_order([*result.problems, *news(further, result.problems)])


def _idle(image: str, sheets: Mapping[str, Parsed[ImageSpec]]) -> Iterator[Problem]:
    """Variants that nobody needs, and those whose image can't be called so."""
    whole = sheets[""].value
    for name, sheet in sheets.items():
        if not name or whole is None or sheet.value is None:
            continue
        if not sheet.problems and sheet.value == whole.model_copy(update={"variants": {}}):
            text = f"changes nothing of '{image}'; write what is different, or remove it"
            yield sheets[""].document.problem((VARIANTS, name), text)
        if len(full := f"{image}-{name}") > LONGEST_NAME:
            text = f"its image '{full}' has {len(full)} characters, {LONGEST_NAME} is the most; shorten it"
            yield sheets[""].document.problem((VARIANTS, name), text)


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
    wanted += [(name, "jit") for name in jit.packages(spec)]
    for link in links:
        wanted += [(name, f"profile {link.name}") for name in (link.profile.packages if link.profile else ())]
    first: dict[str, str] = {}
    for name, by in wanted:
        first.setdefault(name, by)
    return tuple(PackageRequest(name=name, asked_by=by) for name, by in first.items())
