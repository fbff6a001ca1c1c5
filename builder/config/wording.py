"""What pydantic found, in the words of the person who wrote the file."""

import datetime
import json
import re
import shlex
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from builder.config.document import Document
from builder.config.problems import Location, Problem, suggested
from builder.model.profile import Off
from builder.model.scan import ScanSettings
from builder.model.spec import ImageSpec

KINDS: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "a number"),
    (float, "a number"),
    (str, "text"),
    (datetime.date, "a date"),
    (list, "a list"),
    (tuple, "a list"),
    (dict, "a mapping"),
)
"""In this order: Python's booleans are numbers."""
WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "date_type": "a date, such as 2027-03-31",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping, 'key: value' in each line",
}
UNQUOTED = {
    "a whole number": "-?[0-9]+",
    "a number": r"-?[0-9]+(\.[0-9]+)?",
    "true or false": "true|false",
}
MISSING = "missing; add it"
FORMS = {
    r"^[1-9][0-9]*[kmg]$": "a size; write a number with 'k', 'm' or 'g', such as '64m'",
    r"^/([^/\x00]+(/[^/\x00]+)*)?$": "an absolute path; write one such as '/app', with no '/' at its end",
    r"^3\.[0-9]+$": 'a Python version; write major and minor in quotes, such as "3.13"',
    r"^1[23]$": 'a CUDA version; write "12" or "13", the major alone',
    r"^SIG[A-Z0-9]+$": "a signal; write its full name, such as 'SIGTERM'",
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*$": "the name of a network; write letters, digits and '_', '.' or '-'",
    r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$": "the name of a variant; write lower-case letters, digits and '-'",
    r"^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$": "the name of a file; write letters, digits, '_', '-' or '.'",
    r"^(0|[1-9][0-9]?)$": "the number of a GPU; write it as CUDA counts them, from 0",
    r"^[1-9][0-9]*[mg]$": "a size of a GPU's memory; write a number with 'm' or 'g', such as '8g'",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "an environment variable's name; write letters, digits and '_'",
    r"^[A-Z][A-Z0-9]*(-[A-Za-z0-9]+)+$": "a vulnerability's name; write one such as 'CVE-2026-1234'",
    r"^[0-9a-f]{64}$": "a SHA-256; write its 64 digits, 0 to 9 and a to f",
    r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$": "the name of a project; write it alone, without a version",
}
"""The models' patterns -> what they stand for; a test holds that each pattern is here."""
ELSEWHERE = {
    "ImageSpec": {
        "add": "files",
        "command": "cmd",
        "copy": "files",
        "dependencies": "packages",
        "environment": "env",
        "expose": "ports",
        "from": "base",
        "pip": "python.requirements",
        "requirements": "python.requirements",
        "tmpfs": "writable",
        "volumes": "state",
        "working-dir": "workdir",
    },
    "FileSpec": {"from": "source", "src": "source", "to": "target", "dest": "target", "path": "target"},
    "Healthcheck": {"test": "command", "cmd": "command"},
    "PythonSpec": {"packages": "requirements", "dependencies": "requirements"},
    "Profile": {"inherits": "extends", "parent": "extends", "name": "title"},
    "RunSettings": {
        "bind": "interface",
        "cap-add": "capabilities",
        "cpu": "cpus",
        "cpuset": "cpuset-cpus",
        "env": "pass-env",
        "environment": "pass-env",
        "numa": "cpuset-mems",
        "sysctl": "sysctls",
        "device": "devices",
        "group-add": "groups",
        "mem": "memory",
        "mem-limit": "memory",
        "network-mode": "network",
        "networks": "network",
        "pids-limit": "pids",
        "shm-size": "shm",
        "supplemental-groups": "groups",
        "ulimit": "ulimits",
    },
    "ScanSettings": {
        "grace": "grace-days",
        "ignore-unfixed": "fixed-only",
        "only-fixed": "fixed-only",
        "severity": "fail-on",
        "tools": "pins",
    },
    "Waiver": {"until": "expires", "key": "control", "why": "reason"},
}
"""Keys of Dockerfiles, compose files and the like -> ours."""
IN_THE_PROFILE = {
    "user": "controls.nonroot-user",
    "memory": "run.memory",
    "pids": "run.pids",
    "cpus": "run.cpus",
    "shm": "run.shm",
    "capabilities": "run.capabilities",
    "devices": "run.devices",
    "groups": "run.groups",
    "interface": "run.interface",
    "network": "run.network",
    "cpuset-cpus": "run.cpuset-cpus",
    "cpuset-mems": "run.cpuset-mems",
    "mps": "run.mps",
    "pass-env": "run.pass-env",
    "sysctls": "run.sysctls",
    "ulimits": "run.ulimits",
    "waivers": "waivers",
    "controls": "controls",
}
"""Keys that people look for in image.yaml, though the profile decides."""
LISTS_TOO = {"healthcheck"}
"""Mappings that may also be written as a list of words."""


EXCUSED = "; a finding is excused by a statement in vex/*.yaml, and by nothing else"


def problem_of(error: ErrorDetails, model: type[BaseModel], document: Document, root: Location) -> Problem:
    """`root` is where in the document the model begins."""
    at = tuple(step for step in error["loc"] if step != "[key]")
    return document.problem((*root, *at), _text(error, at, model, document.texts.get((*root, *at))))


def _text(error: ErrorDetails, at: Location, model: type[BaseModel], written: str | None) -> str:
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        return _unknown_key(str(at[-1]), model_at(model, at[:-1]))
    if kind == "missing":
        return MISSING
    if kind in WANTED:
        return f"{_described(value, written)}; write {WANTED[kind]}{_hint(WANTED[kind], value, written)}"
    if kind == "model_type":
        return f"{_described(value, written)}; write {_mapping_of(model_at(model, at), value, at)}"
    return _wrong_value(kind, value, error.get("ctx", {})) or error["msg"][:1].lower() + error["msg"][1:]


def _unknown_key(key: str, model: type[BaseModel] | None) -> str:
    known = keys(model) if model else []
    if model is Off:
        return "a control that is off takes no parameters; remove it"
    if not model:
        return "unknown key; remove it"
    if not known:
        return "the control takes no parameters; write true"
    word = key.lower().replace("_", "-")
    if other := ELSEWHERE.get(model.__name__, {}).get(word):
        return f"unknown key; did you mean '{other}'?"
    if model is ImageSpec and word in IN_THE_PROFILE:
        return f"unknown key; it belongs in the profile, as '{IN_THE_PROFILE[word]}'"
    excuse = model is ScanSettings and word.startswith(("ignore", "allow", "except"))
    return f"unknown key{EXCUSED if excuse else suggested(key, known)}"


def keys(model: type[BaseModel]) -> list[str]:
    """As they are spelt in YAML."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _described(value: Any, written: str | None) -> str:
    kind = next((word for type_, word in KINDS if isinstance(value, type_)), type(value).__name__)
    if isinstance(value, list | tuple | dict):
        return kind
    if isinstance(value, str):
        return f"'{value}' is text"
    if isinstance(value, float) and written is not None and written != str(value):
        return f"'{written}' is the number {value} to YAML"
    return f"'{value if written is None else written}' is {kind}"


def _hint(wanted: str, value: Any, written: str | None) -> str:
    if wanted == "text" and isinstance(value, dict):
        return ", in quotes where it holds ': '"
    if wanted == "text" and written is not None:
        return f', in quotes: "{written}"'
    if wanted == "a list" and isinstance(value, str):
        return f": {json.dumps(_words(value))}"
    if isinstance(value, str) and re.fullmatch(UNQUOTED.get(wanted, "(?!)"), value):
        return f", without quotes: {value}"
    return ""


def _mapping_of(model: type[BaseModel] | None, value: Any, at: Location) -> str:
    if at and at[-1] in LISTS_TOO and isinstance(value, str):
        return f"a list of words: {json.dumps(_words(value))}"
    return f"a mapping with the keys: {', '.join(keys(model))}" if model else "a mapping"


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote inside that is not closed
        return text.split()


def _wrong_value(kind: str, value: Any, context: dict[str, Any]) -> str:
    if kind == "string_pattern_mismatch":
        pattern = context["pattern"]
        return f"'{value}' is not {FORMS.get(pattern, f'of the form {pattern}; write it so')}"
    if kind in {"literal_error", "enum"}:
        return _not_among(value, re.findall(r"'([^']*)'", context["expected"]))
    if kind in {"too_short", "string_too_short"}:
        return "empty; write at least one item" if kind == "too_short" else "empty; write text"
    if kind in BOUNDS:
        name, words = BOUNDS[kind]
        return words.format(value, _number(context[name]))
    return str(context["error"]) if kind == "value_error" else ""


BOUNDS = {
    "greater_than": ("gt", "{0} is too small; write more than {1}"),
    "greater_than_equal": ("ge", "{0} is too small; write {1} or more"),
    "less_than": ("lt", "{0} is too large; write less than {1}"),
    "less_than_equal": ("le", "{0} is too large; write {1} or less"),
}


def _number(bound: float) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


def _not_among(value: Any, choice: list[str]) -> str:
    return f"'{value}' is not known here{suggested(str(value), choice)}"


def model_at(model: type[BaseModel], at: Location) -> type[BaseModel] | None:
    """The model that reads the mapping at this place; None where no model does."""
    found: type[BaseModel] | None = model
    for step in at:
        if isinstance(step, int):  # an item has the model of its list
            continue
        if found is None:
            return None
        fields = dict(zip(keys(found), found.model_fields.values(), strict=True))
        found = next(_models(fields[step].annotation), None) if step in fields else None
    return found


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
