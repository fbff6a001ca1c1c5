"""What a Dockerfile says, so that an image's own template can be held to what Temper assembles.

The image is written twice from one definition: by Temper itself and by `docker build`. An instruction that
stands only in a template would be in one of the two, so a template may word the Dockerfile in another way,
add comments and name the stage, but it may not say more or less. Source: Dockerfile reference.
"""

import json
import re
from collections import Counter
from pathlib import Path

from builder.errors import InputError

HINTS = {
    "RUN": (
        "nothing is executed while an image is made, so the build needs no shell, network or root; "
        "bring files by 'files' and programs by 'packages' in image.yaml"
    ),
    "ADD": "bring files by 'files' in image.yaml",
    "COPY": "bring files by 'files' in image.yaml",
    "LABEL": "set it by 'labels' in image.yaml",
    "ENV": "set it by 'env' in image.yaml",
    "USER": "set it by the control 'nonroot-user' in the profile",
    "WORKDIR": "set it by 'workdir' in image.yaml",
    "EXPOSE": "set it by 'ports' in image.yaml",
    "VOLUME": "set it by 'state' in image.yaml",
    "STOPSIGNAL": "set it by 'stop-signal' in image.yaml",
    "HEALTHCHECK": "set it by 'healthcheck' in image.yaml",
    "ENTRYPOINT": "set it by 'entrypoint' in image.yaml",
    "CMD": "set it by 'cmd' in image.yaml",
    "FROM": "the image has one stage and starts from scratch",
}
_WORD = re.compile(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|[^\s"\']+')


def check_template(path: Path, theirs: str, ours: str) -> None:
    """`theirs` is what the image's template at `path` rendered to, `ours` the same by ours.

    Raises `InputError` with every instruction that only one of them has.
    """
    problems = []
    if re.search(r"^#\s*escape\s*=", theirs, re.IGNORECASE | re.MULTILINE):
        problems.append(f"{path}: escape: changes what a backslash means; leave the directive out")
    extra, missing = _difference(theirs, ours), _difference(ours, theirs)
    for instruction in extra:
        word = instruction.partition(" ")[0]
        hint = HINTS.get(word, "use the instructions of our template")
        problems.append(f"{path}: {word}: only the Dockerfile would have '{instruction}'; {hint}")
    for instruction in missing:
        word = instruction.partition(" ")[0]
        problems.append(f"{path}: {word}: '{instruction}' is missing; keep the block of our template")
    if problems:
        raise InputError(problems)


def _difference(one: str, other: str) -> list[str]:
    return list((Counter(meaning(one)) - Counter(meaning(other))).elements())


def meaning(text: str) -> list[str]:
    """Each instruction in one spelling, `ENV A=1 B=2` as two; comments and the stage's name are gone."""
    found: list[str] = []
    for line in _logical_lines(text):
        word, _, rest = line.partition(" ")
        word, rest = word.upper(), rest.strip()
        if word in ("ENV", "LABEL"):
            found += [f"{word} {pair}" for pair in _pairs(rest)]
        elif word == "FROM":
            found.append("FROM " + re.sub(r"\s+AS\s+[a-z][a-z0-9_.-]*$", "", rest, flags=re.IGNORECASE))
        else:
            found.append(f"{word} {_arguments(rest)}")
    return found


def _logical_lines(text: str) -> list[str]:
    """Comment lines and blank lines vanish, also between continued lines."""
    kept = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\[ \t]*\n", " ", "\n".join(kept))
    return [" ".join(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def _pairs(rest: str) -> list[str]:
    """`a=1 "b c"="2"` -> `a=1`, `b c=2`; the older `ENV a 1` is one pair."""
    words = re.findall(rf"(?:{_WORD.pattern})+", rest)
    if words and "=" not in words[0]:
        return [f"{_unquoted(words[0])}={_unquoted(rest[len(words[0]) :].strip())}"]
    return [_unquoted(word) for word in words]


def _unquoted(text: str) -> str:
    return re.sub(_WORD, lambda found: _word(found[0]), text)


def _word(text: str) -> str:
    """An unescaped `$` is a variable and stays marked, so that it never equals the character."""
    if text.startswith("'"):
        return text[1:-1]
    inner = text[1:-1] if text.startswith('"') else text
    return re.sub(r"\\(.)|\$", lambda found: found[1] or "${", inner)


def _arguments(rest: str) -> str:
    """The JSON form, alone or after flags, is written in one way; the rest keeps its words."""
    flags, bracket, array = rest.partition("[")
    if bracket:
        try:
            return " ".join([*flags.split(), json.dumps(json.loads(bracket + array))])
        except ValueError:
            pass
    return _unquoted(" ".join(rest.split()))
