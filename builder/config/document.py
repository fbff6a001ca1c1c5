"""YAML -> plain data with the line of every value.

Only what all YAML readers read alike is taken: YAML 1.1 and 1.2 disagree about `NO`, `010`, `1_000` or
`1e3`, and what a person meant can't be known. Aliases, merge keys and tags are refused too: each value
stands in one place, so each problem has one line (and no file can unfold to gigabytes).
"""

import datetime
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.resolver import Resolver

from builder.config.problems import Location, Problem

LARGEST = 1 << 20
"""Bytes; nobody writes a longer one by hand."""
DEEPEST = 20
"""Levels of nesting; the forms need five."""

TAG = "tag:yaml.org,2002:"
ALIAS = "!alias"
"""Our own mark for a node that PyYAML would have shared."""
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
DECIMAL = re.compile(r"[-+]?([0-9]{1,30}\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,2})?")
NUMBER_TO_OTHERS = re.compile(r"0o[0-7]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
"""Numbers of YAML 1.2 that YAML 1.1 reads as words."""
ODD = re.compile(r"[^\n -~]|[!%]|[|>]\S*#")
"""What the two parsers may read otherwise."""
BOOLEANS = {"true": True, "false": False}
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

PLAIN_WORDS = {
    "mapping values are not allowed here": "a ':' where no key can stand; "
    "check the indentation, or put text that holds ': ' in quotes",
    "found character '\\t' that cannot start any token": "a tab; indent by spaces",
    "found character '%' that cannot start any token": "text can't begin with '%'; put it in quotes",
    "found character '@' that cannot start any token": "text can't begin with '@'; put it in quotes",
    "found character '`' that cannot start any token": "text can't begin with '`'; put it in quotes",
    "could not find expected ':'": "neither 'key: value' nor a list item; write one of them",
    "expected <block end>, but found '-'": "a list item that is indented unlike the lines above; align it",
    "expected <block end>, but found '<block mapping start>'": "indented unlike the lines above; align it",
    "expected <block end>, but found '<block sequence start>'": "indented unlike the lines above; align it",
    "expected <block end>, but found '<scalar>'": "text after a value that ended; put it all in quotes",
    "sequence entries are not allowed here": "a list item that can't stand here; begin it on its own line",
    "expected '<document start>'": "indented unlike the lines above; align it",
    "found unknown escape character": "an escape that double quotes don't know; use single quotes",
    "too deep": "nested too deep; the forms need five levels at most",
    "expected ',' or ']', but got": "a list that is not closed; add the ',' or ']'",
    "expected ',' or '}', but got": "a mapping that is not closed; add the ',' or '}'",
    "found unexpected end of stream": "a quote that is not closed; close it",
    "expected a single document in the stream": "a second document begins; keep one per file",
    "but found another document": "a second document begins; keep one per file",
}
"""What PyYAML says (a part of it) -> what a person understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    path: Path
    data: Any = None
    """Mappings, lists, text, whole and decimal numbers, booleans, dates; `None` where there is a problem."""
    readable: bool = False
    """False when the file is missing or not YAML: `data` means nothing then."""
    lines: dict[Location, int] = field(default_factory=dict)
    """From 1. A mapping or list that is a key's value has the key's line."""
    texts: dict[Location, str] = field(default_factory=dict)
    """Unquoted values as they were written: `3.10`."""
    problems: list[Problem] = field(default_factory=list)
    roots: dict[Location, Location] = field(default_factory=dict)
    """Where in the file a value's place begins, for those that a variant says."""

    def problem(self, at: Location, text: str) -> Problem:
        """At the nearest line that is known."""
        place = at
        while place and place not in self.lines:
            place = place[:-1]
        root = self.roots.get(place, ())
        return Problem(path=self.path, line=self.lines.get(place, 1), at=at, text=text, root=root)


def read(path: Path) -> Document:
    """Never raises for what stands in the file or for a file that can't be read: see `problems`."""
    try:
        text = _text(path)
        node = _composed(text)
    except _Unreadable as error:
        return _unreadable(path, error.line, str(error))
    except yaml.MarkedYAMLError as error:
        return _unreadable(path, _line(error), _plain_words(error))
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        return _unreadable(path, line, f"a control character, {error.character:#x}; remove it")
    document = Document(path=path)
    document.lines[()] = 1
    data = None if node is None else _value(node, (), document)
    return replace(document, data=data, readable=True)


def _unreadable(path: Path, line: int, text: str) -> Document:
    return Document(path=path, problems=[Problem(path=path, line=line, at=(), text=text)])


class _Unreadable(Exception):  # noqa: N818 - it never leaves this module
    line = 0


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise _Unreadable("there is no such file; create it") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _Unreadable(f"{reason}; make it a file that you can read") from None
    if len(data) > LARGEST:
        raise _Unreadable(f"{len(data)} bytes is too long; {LARGEST} is the most")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = _Unreadable("not UTF-8; save the file as UTF-8")
        problem.line = data[: error.start].count(b"\n") + 1
        raise problem from None


def _line(error: yaml.MarkedYAMLError) -> int:
    """Of what was never finished (a quote, a bracket, a key) its beginning; else where reading stopped."""
    opened = any(part in (error.context or "") for part in ("quoted", "flow", "simple key"))
    mark = error.context_mark if opened and error.context_mark else error.problem_mark
    return mark.line + 1 if mark else 1


def _plain_words(error: yaml.MarkedYAMLError) -> str:
    said = error.problem or "not YAML"
    return next((plain for part, plain in PLAIN_WORDS.items() if part in said), f"not YAML: {said}")


def _composed(text: str) -> yaml.Node | None:
    """By libyaml, which takes an eighth of the time; what that refuses, PyYAML's own parser has words for.

    They disagree about tags, tabs and signs beyond ASCII: what holds such is PyYAML's at once.
    """
    if yaml.__with_libyaml__ and not ODD.search(text):
        with suppress(yaml.YAMLError):
            return _Quick(text).get_single_node()
    return _Plain(text).get_single_node()


class _Composer(Composer):
    """PyYAML's nodes, with every alias left as a mark and nesting bounded."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # type: ignore[attr-defined]
            event = self.get_event()  # type: ignore[attr-defined]
            return yaml.ScalarNode(ALIAS, event.anchor, event.start_mark, event.end_mark)
        self.depth += 1
        if self.depth > DEEPEST:
            here = self.peek_event()  # type: ignore[attr-defined]
            raise yaml.MarkedYAMLError(problem="too deep", problem_mark=here.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Plain(_Composer, yaml.SafeLoader):
    pass


if yaml.__with_libyaml__:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]

    class _Quick(_Composer, CParser, Resolver):
        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            Composer.__init__(self)
            Resolver.__init__(self)

        def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
            node: yaml.ScalarNode = super().compose_scalar_node(anchor)
            node.style = node.style or None  # libyaml's word for an unquoted one is ""
            return node


def _value(node: yaml.Node, at: Location, document: Document) -> Any:
    document.lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode) and node.tag == TAG + "map":
        return _mapping(node, at, document)
    if isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq":
        return [_value(item, (*at, number), document) for number, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, at, document)
    return _refuse(document, at, f"'{node.tag}' is a YAML tag; remove it")


def _refuse(document: Document, at: Location, text: str) -> None:
    document.problems.append(document.problem(at, text))


def _mapping(node: yaml.MappingNode, at: Location, document: Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
        place = (*at, key)
        wrong = _key_problem(key_node)
        if not wrong and key in found:
            wrong = f"given twice, first on line {document.lines[place]}; keep one of them"
        if wrong:
            document.problems.append(Problem(path=document.path, line=line, at=place, text=wrong))
            continue
        document.lines[place] = line
        found[key] = _value(value_node, place, document)
    return found


def _key_problem(node: yaml.Node) -> str:
    """Keys are text as they stand, whatever YAML takes them for: else `off: reason` would need quotes."""
    if not isinstance(node, yaml.ScalarNode):
        return "a list or mapping can't be a key; write a word"
    if node.tag == TAG + "merge":
        return "YAML's merge key; write the keys out"
    if node.tag == ALIAS:
        return "a YAML alias can't be a key; write the key out"
    if not node.value.strip("\0 \t\n"):
        return "an empty key; give it a name"
    return _unusable(node.value)


def _scalar(node: yaml.ScalarNode, at: Location, document: Document) -> Any:
    text, tag = node.value, node.tag.removeprefix(TAG)
    if node.style is None:
        document.texts[at] = text
    if wrong := _scalar_problem(node, tag) or _unusable(text):
        return _refuse(document, at, wrong)
    return READERS[tag](text)


def _scalar_problem(node: yaml.ScalarNode, tag: str) -> str:
    if tag == ALIAS:
        return f"'*{node.value}' is a YAML alias; write the value out"
    if tag == "null":
        return "no value; write one, or remove it"
    if tag not in READERS:
        return f"'{node.tag}' is a YAML tag; remove it"
    if (node.style is None or tag != "str") and (surprise := _surprise(node.value, tag)):
        return f'{surprise}, or text in quotes: "{node.value}"'
    return ""


def _unusable(text: str) -> str:
    """Escapes in double quotes can name what no file, argument or variable can hold."""
    if "\0" in text:
        return "holds a NUL character; remove it"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "holds half of a surrogate pair; write the character itself"
    return ""


def _surprise(text: str, tag: str) -> str:
    """Why an unquoted value does not mean the same to every YAML reader, and the plain way to write it."""
    if tag == "bool" and text.lower() not in BOOLEANS:
        meant = "true" if text.lower() in {"yes", "on"} else "false"
        return f"'{text}' is {meant} to some YAML readers and a word to others; write {meant}"
    plain = {"int": INTEGER, "float": DECIMAL}.get(tag)
    if (plain and not plain.fullmatch(text)) or (tag == "str" and NUMBER_TO_OTHERS.fullmatch(text)):
        return f"'{text}' is not the same number to every YAML reader; write plain digits"
    return ""


def _date(text: str) -> datetime.date | str:
    """What looks like a date and is none stays text: the form knows whether a date is wanted."""
    try:
        return datetime.date.fromisoformat(text) if DATE.fullmatch(text) else text
    except ValueError:
        return text


READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "value": str,
    "bool": lambda text: BOOLEANS[text.lower()],
    "int": int,
    "float": float,
    "timestamp": _date,
}
"""By the tag that PyYAML found (YAML 1.1), for text that holds no surprise."""
