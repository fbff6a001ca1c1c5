"""What a Dockerfile says, and whether it says so in a way that linters have nothing against."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from builder.controls.frame import Context, Control, NoParameters
from builder.controls.references import hadolint, trivy
from builder.model.image import Image
from builder.model.report import Finding, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    line: int
    name: str
    """In capitals."""
    flags: tuple[str, ...]
    """`--from=builder`"""
    rest: str
    """What follows the flags, on one line."""

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.rest.split())

    def flag(self, name: str) -> str:
        """Its value; empty where it isn't given."""
        return next((one.partition("=")[2] for one in self.flags if one.startswith(f"--{name}=")), "")

    @property
    def listed(self) -> tuple[str, ...] | None:
        """The parts of the exec form; `None` where it is in shell form."""
        try:
            found = json.loads(self.rest)
        except ValueError:
            return None
        return (
            tuple(found) if isinstance(found, list) and all(isinstance(one, str) for one in found) else None
        )


def instructions(text: str) -> Iterator[Instruction]:
    """Comments and empty lines are passed over, continued lines joined (Dockerfile reference 1.7)."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        first = first or number
        parts.append(line.rstrip().removesuffix("\\").strip())
        if not line.rstrip().endswith("\\"):
            yield _instruction(first, " ".join(parts))
            parts, first = [], 0
    if parts:
        yield _instruction(first, " ".join(parts))


def _instruction(line: int, text: str) -> Instruction:
    name, _, rest = text.partition(" ")
    flags = []
    words = rest.split()
    while words and words[0].startswith("--"):
        flags.append(words.pop(0))
        rest = rest.lstrip().removeprefix(flags[-1])
    return Instruction(line=line, name=name.upper(), flags=tuple(flags), rest=rest.strip())


ONCE = {"CMD": "DL4003", "ENTRYPOINT": "DL4004", "HEALTHCHECK": "DL3012"}
KNOWN = frozenset(("ADD", "ARG", "COPY", "ENV", "EXPOSE", "FROM", "LABEL", "STOPSIGNAL", "USER", "VOLUME"))
"""Besides those that may be given once, and WORKDIR."""
_TAR = re.compile(r"\.(tar|tar\.gz|tgz|tar\.bz2|tar\.xz|tar\.zst)$")
_ESCAPE = re.compile(r"^#\s*escape\s*=", re.IGNORECASE | re.MULTILINE)
_PORT = re.compile(r"([0-9]+)(?:/(?:tcp|udp))?")


class CleanDockerfile(Control[NoParameters]):
    key = "clean-dockerfile"
    title = "The Dockerfile runs nothing, and a linter finds nothing in it"
    why = (
        "What a Dockerfile runs while it is built can't be seen in it, needs the network and differs each "
        "time. Shell forms need a shell that the image doesn't have."
    )
    remedy = "render it again (temper build): what is to be in the image belongs into image.yaml"
    foreign_remedy = "leave RUN out, and write ENTRYPOINT, CMD and HEALTHCHECK in exec form"
    severity = Severity.LOW
    references = (
        hadolint("DL3000"),
        hadolint("DL3002"),
        hadolint("DL3011"),
        hadolint("DL3020"),
        hadolint("DL3025"),
        hadolint("DL3061"),
        hadolint("DL4000"),
        hadolint("DL4003"),
        trivy("DS-0002"),
    )

    def audit(self, image: Image, parameters: NoParameters, context: Context) -> Iterable[Finding]:
        text = context.known_dockerfile()
        found = list(instructions(text))
        if _ESCAPE.search(text):
            yield Finding(message="Dockerfile: its escape directive changes what a backslash means")
        for one in found:
            for problem in _problems(one):
                yield Finding(message=f"Dockerfile:{one.line}: {problem}")
        for problem in _as_a_whole(found):
            yield Finding(message=f"Dockerfile: {problem}")


def _problems(one: Instruction) -> Iterator[str]:
    if one.name in ("RUN", "ONBUILD", "SHELL"):
        yield f"{one.name} has something run while an image is built"
    elif one.name == "MAINTAINER":
        yield "MAINTAINER is deprecated; a label says it (DL4000)"
    elif one.name not in (*KNOWN, *ONCE, "WORKDIR"):
        yield f"{one.name} is no instruction"
    else:
        yield from _badly_put(one)


def _badly_put(one: Instruction) -> Iterator[str]:
    match one.name:
        case "WORKDIR" if not one.rest.strip("\"'").startswith(("/", "$")):
            yield f"WORKDIR '{one.rest}' is not absolute (DL3000)"
        case "ADD":
            yield from _added(one)
        case "CMD" | "ENTRYPOINT" if one.listed is None:
            yield f"{one.name} is in shell form (DL3025)"
        case "HEALTHCHECK" if not one.rest.upper().startswith(("NONE", "CMD [")):
            yield "HEALTHCHECK is in shell form (DL3025)"
        case "EXPOSE":
            yield from (f"EXPOSE {word} is no port (DL3011)" for word in one.words if not _is_port(word))


def _added(one: Instruction) -> Iterator[str]:
    """ADD unpacks archives, which is why it stands here; it fetches from the network too, unseen."""
    *sources, _target = one.listed or one.words or ("",)
    for source in sources:
        if "://" in source:
            yield f"ADD fetches '{source}'"
        elif _TAR.search(source) is None:
            yield f"ADD '{source}' is no archive; COPY says what is meant (DL3020)"


def _is_port(word: str) -> bool:
    match = _PORT.fullmatch(word.strip("\"'"))
    return match is not None and 0 < int(match[1]) < 65536


def _as_a_whole(found: list[Instruction]) -> Iterator[str]:
    started = next((one.name for one in found if one.name != "ARG"), "")
    if started != "FROM":
        yield "doesn't begin with FROM (DL3061)"
    last = max((at for at, one in enumerate(found) if one.name == "FROM"), default=0)
    stage = found[last:]
    for name, rule in ONCE.items():
        if sum(one.name == name for one in stage) > 1:
            yield f"has {name} more than once ({rule})"
    users = [one.rest.strip("\"'") for one in stage if one.name == "USER"]
    if users and users[-1].partition(":")[0] in ("root", "0"):
        yield "its last USER is root (DL3002)"
