"""`vex/*.yaml` -> statements, with every problem of every file at once."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from builder.config.document import Document, read
from builder.config.parse import in_order, validated
from builder.config.problems import Problem, shown, suggested
from builder.errors import InputError
from builder.model.vex import Issued, VexSheet

FOLDER = "vex"


def statements(folders: Iterable[Path], image: str, known: Iterable[str]) -> tuple[Issued, ...]:
    """Those about an image, whether they still count or not; `known` are the images that may be named.

    Raises `InputError`: `vex/file.yaml:line: key: what is wrong; what to do`.
    """
    found: list[Issued] = []
    problems: list[Problem] = []
    names = {image, *known}
    for path in files(folders):
        document = read(path)
        sheet, wrong = parsed(document)
        problems += wrong
        if sheet is not None:
            problems += unknown_images(sheet, document, names)
            found += [one for one in issued(sheet, document) if image in (one.statement.images or (image,))]
    if problems:
        raise InputError(map(str, problems))
    return tuple(found)


def files(folders: Iterable[Path]) -> list[Path]:
    """A folder that holds one of YAML's other ending holds what nobody would read."""
    there = dict.fromkeys(path for folder in folders for path in sorted((folder / FOLDER).glob("*.y*ml")))
    wrong = [path for path in there if path.suffix != ".yaml"]
    if wrong:
        raise InputError([f"{shown(path)}: not read; rename it to '{path.stem}.yaml'" for path in wrong])
    return list(there)


def parsed(document: Document) -> tuple[VexSheet | None, tuple[Problem, ...]]:
    if not document.readable:
        return None, tuple(document.problems)
    if document.data is None:
        return None, (document.problem((), "empty; write at least: author, statements"),)
    return validated(VexSheet, document.data, document, ())


def unknown_images(sheet: VexSheet, document: Document, names: set[str]) -> Iterator[Problem]:
    wrong = [
        document.problem(
            ("statements", number, "images", place), f"unknown image '{name}'{suggested(name, names)}"
        )
        for number, one in enumerate(sheet.statements)
        for place, name in enumerate(one.images)
        if name not in names
    ]
    yield from in_order(wrong)


def issued(sheet: VexSheet, document: Document) -> Iterator[Issued]:
    for number, one in enumerate(sheet.statements):
        line = document.lines.get(("statements", number), 1)
        yield Issued(statement=one, author=sheet.author, file=shown(document.path), line=line)
