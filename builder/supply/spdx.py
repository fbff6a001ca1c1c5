"""A graph as SPDX 2.3 JSON, each element through spdx-tools. Pure: the same graph gives the same bytes.

An element is converted by itself and written on a line of its own: what one component contributes can be kept
and found again (`Kept`), and a document of a hundred thousand files is never a tree of objects.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import Any

from builder.supply.blanks import (
    OWN,
    REMARK,
    Blank,
    Piece,
    Values,
    all_filled,
    blank_graph,
    blank_sums,
    graph_key,
    subject_values,
    sum_values,
    sums_of,
)
from builder.supply.graph import Component, Graph
from builder.supply.naming import Kept, component_key, dumped, plainly, remark

LIBRARY = "spdx-tools 0.8.5"
"""What the bytes depend on besides our own code: pinned, and a test compares it with what is installed."""
LISTS = ("packages", "files", "relationships")
_SMALL = 1 << 20


def write(graph: Graph, kept: Kept = plainly) -> Iterator[str]:
    """The document in pieces of text. Contents are read where nobody has made their SHA-1."""
    return all_filled(pieces(graph, kept), values(graph))


def pieces(graph: Graph, kept: Kept) -> Iterator[Piece]:
    head, document = _frame(graph, kept)
    with ExitStack() as stack:
        lists = {name: stack.enter_context(_List(name)) for name in LISTS}
        for about, part in chain([("", head)], _parts(graph, kept)):
            for name in LISTS:
                lists[name].add(part[name], about)
        yield "{\n"
        yield Blank(
            "", "".join(f"{json.dumps(name)}: {dumped(value)},\n" for name, value in document.items())
        )
        for name in LISTS:
            yield from lists[name].pieces()
            yield ",\n" if name != LISTS[-1] else "\n}\n"


def values(graph: Graph) -> dict[str, Values]:
    """By what the blanks are about."""
    own = {one.ref: own_values(one, graph.sha1) for one in graph.components if one.sort in OWN}
    return {**own, "": subject_values(graph.subject, remark(graph), "spdx")}


def own_values(component: Component, sha1: Mapping[str, str]) -> Values:
    return sum_values(blank_sums(component), sums_of(component, sha1))


def _parts(graph: Graph, kept: Kept) -> Iterator[tuple[str | None, Any]]:
    """And which component has blanks there."""
    for component in graph.components:
        yield component.ref if component.sort in OWN else None, json.loads(_part(graph, component, kept))
    if graph.unowned:
        from builder.supply.spdx_elements import unowned  # noqa: PLC0415 - as below

        yield None, unowned(graph)


class _List:
    """A list of the document that grows while others do: in a file once it is large, 90 MB for vllm."""

    def __init__(self, name: str) -> None:
        self._file = SpooledTemporaryFile(max_size=_SMALL)  # noqa: SIM115 - closed by `__exit__`
        self._file.write(f'"{name}": [\n'.encode("ascii"))
        self._between = ""
        self._blanks: list[tuple[int, int, str]] = []

    def __enter__(self) -> "_List":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, lines: list[str], about: str | None) -> None:
        """`about` as of a `Blank`; `None` for lines without blanks."""
        if not lines:
            return
        self._file.write(self._between.encode("ascii"))
        start = self._file.tell()
        self._file.write(",\n".join(lines).encode("ascii"))
        self._between = ",\n"
        if about is not None:
            self._blanks.append((start, self._file.tell(), about))

    def pieces(self) -> Iterator[Piece]:
        self._file.seek(0)
        for start, end, about in self._blanks:
            yield from self._plain(start - self._file.tell())
            yield Blank(about, self._file.read(end - start).decode("ascii"))
        yield from self._plain(None)
        yield "\n]"

    def _plain(self, left: int | None) -> Iterator[str]:
        """So many bytes; `None` for all that are left."""
        while piece := self._file.read(_SMALL if left is None else min(left, _SMALL)):
            left = None if left is None else left - len(piece)
            yield piece.decode("ascii")


def _frame(graph: Graph, kept: Kept) -> Any:
    """What is said of the image as a whole: the lines of lists, and the fields that are no lists; blank."""

    def make() -> str:
        from builder.supply.spdx_elements import document, head  # noqa: PLC0415 - the library takes 0.2 s

        blank = blank_graph(graph)
        return json.dumps([head(blank), document(blank, REMARK)])

    return json.loads(kept(graph_key(LIBRARY, graph), make))


def _part(graph: Graph, component: Component, kept: Kept) -> str:
    """What a component brings to every document that it is in; blank where its contents often change."""
    own = component.sort in OWN

    def make() -> str:
        from builder.supply.spdx_elements import part  # noqa: PLC0415 - as above

        return json.dumps(part(component, blank_sums(component) if own else sums_of(component, graph.sha1)))

    return kept(component_key(LIBRARY, component, contents=not own), make)
