"""A container-structure-test file -> `StructureTest`, with every problem at once."""

from pathlib import Path

from builder.config.document import read
from builder.config.parse import validated
from builder.errors import InputError
from builder.model.structure import StructureTest


def parse_structure_test(path: Path) -> StructureTest:
    """Raises `InputError`: `file:line: key: what is wrong; what to do`."""
    document = read(path)
    if not document.readable:
        raise InputError(str(problem) for problem in document.problems)
    if document.data is None:
        raise InputError(str(document.problem((), "empty; write at least: schemaVersion")))
    value, problems = validated(StructureTest, document.data, document, ())
    if problems or value is None:
        raise InputError(str(problem) for problem in problems)
    return value
