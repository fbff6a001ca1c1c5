"""A graph as CycloneDX 1.6 JSON, each component through cyclonedx-python-lib. Pure, as `spdx` is."""

import json
from collections.abc import Iterator
from typing import Any

from builder.supply.blanks import (
    OWN,
    REMARK,
    Blank,
    Piece,
    Values,
    all_filled,
    blank_graph,
    blank_layers,
    blank_subject,
    filled,
    graph_key,
    layer_values,
    subject_values,
)
from builder.supply.graph import Component, Graph, Subject
from builder.supply.naming import Kept, component_key, dumped, plainly, remark, subject_purl

LIBRARY = "cyclonedx-python-lib 11.12.0"
"""What the bytes depend on besides our own code: pinned, and a test compares it with what is installed."""


def write(graph: Graph, kept: Kept = plainly) -> Iterator[str]:
    """The document in pieces of text."""
    return all_filled(pieces(graph, kept), values(graph))


def pieces(graph: Graph, kept: Kept) -> Iterator[Piece]:
    document, system = _frame(graph, kept)
    yield "{\n"
    yield Blank(
        "", "".join(f"{json.dumps(name)}: {dumped(value)},\n" for name, value in sorted(document.items()))
    )
    yield '"components": [\n'
    for number, line in enumerate(_lines(graph, system, kept)):
        yield from ([",\n"] if number else [])
        yield line
    yield '\n],\n"dependencies": [\n'
    yield Blank("", dumped(_whole(graph, blank_subject(graph.subject))))
    for component in graph.components:
        yield ",\n" + dumped({"ref": component.ref, "dependsOn": list(component.needs)})
    yield "\n]\n}\n"


def values(graph: Graph) -> dict[str, Values]:
    """By what the blanks are about."""
    own = {one.ref: layer_values(_layers(graph, one)) for one in graph.components if one.sort in OWN}
    return {**own, "": subject_values(graph.subject, remark(graph), "cyclonedx")}


def _lines(graph: Graph, system: list[str], kept: Kept) -> Iterator[Piece]:
    for component in graph.components:
        text = _part(graph, component, kept)
        own = component.sort in OWN
        yield Blank(component.ref, text) if own else filled(text, layer_values(_layers(graph, component)))
    yield from system
    if graph.unowned:
        from builder.supply.cyclonedx_elements import unowned  # noqa: PLC0415 - as below

        yield unowned(graph)


def _layers(graph: Graph, component: Component) -> tuple[str, ...]:
    return tuple(graph.subject.layers[number - 1].digest for number in graph.layers_of(component))


def _frame(graph: Graph, kept: Kept) -> Any:
    """All but the components and what they need, blank; and the line of the operating system, where it is
    known."""

    def make() -> str:
        from builder.supply.cyclonedx_elements import document, system  # noqa: PLC0415 - takes 0.2 s

        lines = [system(graph)] if graph.distribution.id else []
        return json.dumps([document(blank_graph(graph), REMARK), lines])

    return json.loads(kept(graph_key(LIBRARY, graph), make))


def _part(graph: Graph, component: Component, kept: Kept) -> str:
    """The line of a component. It names the layers that hold it, which are blank: the image's own files
    change theirs."""
    blank = blank_layers(_layers(graph, component))

    def make() -> str:
        from builder.supply.cyclonedx_elements import line  # noqa: PLC0415 - as above

        return line(component, blank)

    return kept(component_key(LIBRARY, component, blank, contents=component.sort not in OWN), make)


def _whole(graph: Graph, subject: Subject) -> dict[str, Any]:
    """The image needs all that is in it. Lists of who needs whom are flat."""
    extra = ["operating-system"] if graph.distribution.id else []
    extra += ["unowned-files"] if graph.unowned else []
    whole = [component.ref for component in graph.components]
    return {"ref": subject_purl(subject), "dependsOn": sorted([*whole, *extra])}
