"""A graph as SPDX 2.3 JSON, each element through spdx-tools. Pure: the same graph gives the same bytes.

An element is converted by itself and written on a line of its own: what one component contributes can be kept
and found again (`Kept`), and a document of a hundred thousand files is never a tree of objects.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import Any

from builder.supply.blanks import (
    OWN,
    REMARK,
    blank_graph,
    blank_sums,
    filled,
    graph_key,
    graph_values,
    sum_values,
    sums_of,
)
from builder.supply.graph import Component, Graph
from builder.supply.naming import Kept, component_key, dumped, plainly

LIBRARY = "spdx-tools 0.8.5"
"""What the bytes depend on besides our own code: pinned, and a test compares it with what is installed."""
LISTS = ("packages", "files", "relationships")
_SMALL = 1 << 20


def write(graph: Graph, kept: Kept = plainly) -> Iterator[str]:
    """The document in pieces of text. Contents are read where nobody has made their SHA-1."""
    head, document = _frame(graph, kept)
    with ExitStack() as stack:
        lists = {name: stack.enter_context(_List(name)) for name in LISTS}
        for part in chain([head], _parts(graph, kept)):
            for name in LISTS:
                lists[name].add(part[name])
        yield "{\n"
        for name, value in document.items():
            yield f"{json.dumps(name)}: {dumped(value)},\n"
        for name in LISTS:
            yield from lists[name].pieces()
            yield ",\n" if name != LISTS[-1] else "\n}\n"


def _parts(graph: Graph, kept: Kept) -> Iterator[Any]:
    for component in graph.components:
        yield json.loads(_part(graph, component, kept))
    if graph.unowned:
        from builder.supply.spdx_elements import unowned  # noqa: PLC0415 - as below

        yield unowned(graph)


class _List:
    """A list of the document that grows while others do: in a file once it is large, 90 MB for vllm."""

    def __init__(self, name: str) -> None:
        self._file = SpooledTemporaryFile(max_size=_SMALL)  # noqa: SIM115 - closed by `__exit__`
        self._file.write(f'"{name}": [\n'.encode("ascii"))
        self._between = ""

    def __enter__(self) -> "_List":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, lines: list[str]) -> None:
        if lines:
            self._file.write((self._between + ",\n".join(lines)).encode("ascii"))
            self._between = ",\n"

    def pieces(self) -> Iterator[str]:
        self._file.seek(0)
        while piece := self._file.read(_SMALL):
            yield piece.decode("ascii")
        yield "\n]"


def _frame(graph: Graph, kept: Kept) -> Any:
    """What is said of the image as a whole: the lines of lists, and the fields that are no lists."""

    def make() -> str:
        from builder.supply.spdx_elements import document, head  # noqa: PLC0415 - the library takes 0.2 s

        blank = blank_graph(graph)
        return json.dumps([head(blank), document(blank, REMARK)])

    return json.loads(filled(kept(graph_key(LIBRARY, graph), make), graph_values(graph, "spdx")))


def _part(graph: Graph, component: Component, kept: Kept) -> str:
    """What a component brings to every document that it is in."""

    def make() -> str:
        sums = sums_of(component, graph.sha1)
        if component.sort not in OWN:
            return with_sums(sums)
        blank = blank_sums(component)
        text = kept(component_key(LIBRARY, component, contents=False), lambda: with_sums(blank))
        return filled(text, sum_values(blank, sums))

    def with_sums(sums: Any) -> str:
        from builder.supply.spdx_elements import part  # noqa: PLC0415 - as above

        return json.dumps(part(component, sums))

    return kept(component_key(LIBRARY, component), make)
