"""A graph as CycloneDX 1.6 JSON, each component through cyclonedx-python-lib. Pure, as `spdx` is."""

import json
from collections.abc import Iterator
from typing import Any

from builder.supply.blanks import (
    OWN,
    REMARK,
    blank_graph,
    blank_layers,
    filled,
    graph_key,
    graph_values,
)
from builder.supply.graph import Component, Graph
from builder.supply.naming import Kept, component_key, dumped, plainly, subject_purl

LIBRARY = "cyclonedx-python-lib 11.12.0"
"""What the bytes depend on besides our own code: pinned, and a test compares it with what is installed."""


def write(graph: Graph, kept: Kept = plainly) -> Iterator[str]:
    """The document in pieces of text."""
    document, system = _frame(graph, kept)
    lines = [*(_part(graph, component, kept) for component in graph.components), *system]
    if graph.unowned:
        from builder.supply.cyclonedx_elements import unowned  # noqa: PLC0415 - as below

        lines.append(unowned(graph))
    yield "{\n"
    for name, value in sorted(document.items()):
        yield f"{json.dumps(name)}: {dumped(value)},\n"
    yield '"components": [\n' + ",\n".join(lines) + "\n],\n"
    yield '"dependencies": [\n' + ",\n".join(dumped(one) for one in _needs(graph)) + "\n]\n}\n"


def _frame(graph: Graph, kept: Kept) -> Any:
    """All but the components and what they need; and the line of the operating system, where it is known."""

    def make() -> str:
        from builder.supply.cyclonedx_elements import document, system  # noqa: PLC0415 - takes 0.2 s

        lines = [system(graph)] if graph.distribution.id else []
        return json.dumps([document(blank_graph(graph), REMARK), lines])

    return json.loads(filled(kept(graph_key(LIBRARY, graph), make), graph_values(graph, "cyclonedx")))


def _part(graph: Graph, component: Component, kept: Kept) -> str:
    """The line of a component. It names the layers, which hold the image's own files."""
    layers = tuple(graph.subject.layers[number - 1].digest for number in graph.layers_of(component))
    blank = blank_layers(layers)

    def make() -> str:
        from builder.supply.cyclonedx_elements import line  # noqa: PLC0415 - as above

        return line(component, blank)

    text = kept(component_key(LIBRARY, component, blank, contents=component.sort not in OWN), make)
    for there, here in zip(blank, layers, strict=True):
        text = text.replace(there, here)
    return text


def _needs(graph: Graph) -> Iterator[dict[str, Any]]:
    """Who needs whom, flat. The image needs all that is in it."""
    extra = ["operating-system"] if graph.distribution.id else []
    extra += ["unowned-files"] if graph.unowned else []
    whole = [component.ref for component in graph.components]
    yield {"ref": subject_purl(graph.subject), "dependsOn": sorted([*whole, *extra])}
    for component in graph.components:
        yield {"ref": component.ref, "dependsOn": list(component.needs)}
