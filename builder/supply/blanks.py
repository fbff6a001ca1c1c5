"""Documents with stand-ins in the place of digests, which both formats do nothing but repeat.

Importing the formats' libraries takes longer than all the rest of a build after one changed file. So what
the image's own files and the image itself contribute is made once with stand-ins, kept, and filled in for
each build.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from builder.supply.graph import Component, Graph, PlacedLayer, Sort
from builder.supply.naming import identity, recipe, remark, sha1_of, sha256_of

OWN = frozenset({Sort.FILES, Sort.GENERATED})
"""Of these the contents change from build to build; packages are kept as they are."""
_BLANK = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{40}(?:[0-9a-f]{24})?)(?![0-9a-f])"
)
Sums = Mapping[str, tuple[str, str]]
"""Path -> SHA-1 and SHA-256."""


def stand_in(what: str, digits: int = 64) -> str:
    """Looks like a digest, so that a library takes it for one; is none of anything."""
    return hashlib.sha256(f"stand-in {what}".encode()).hexdigest()[:digits]


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with each stand-in replaced by its value."""
    return _BLANK.sub(lambda found: values.get(found[0], found[0]), text)


def sums_of(component: Component, known: Mapping[str, str]) -> Sums:
    return {one.path: (sha1_of(one, known), sha256_of(one)) for one in component.files}


def blank_sums(component: Component) -> Sums:
    return {
        one.path: (stand_in(f"sha1 {number}", 40), stand_in(f"sha256 {number}"))
        for number, one in enumerate(component.files)
    }


def verification_code(sha1: Iterable[str]) -> str:
    """SHA-1 over the files' sorted SHA-1 (SPDX 2.3, 7.9.4)."""
    return hashlib.sha1("".join(sorted(sha1)).encode(), usedforsecurity=False).hexdigest()


def sum_values(blank: Sums, real: Sums) -> dict[str, str]:
    pairs = [pair for path in blank for pair in zip(blank[path], real[path], strict=True)]
    codes = (verification_code(sha1 for sha1, _ in sums.values()) for sums in (blank, real))
    return dict([*pairs, (next(codes), next(codes))])


def blank_layers(digests: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"sha256:{stand_in(f'layer {number}')}" for number in range(len(digests)))


REMARK = stand_in("remark")
"""In the place of what says how much a document covers."""


def blank_graph(graph: Graph) -> Graph:
    """The same graph of an image without digests."""
    layers = tuple(
        PlacedLayer(
            name=layer.name,
            digest=f"sha256:{stand_in(f'digest {number}')}",
            diff_id=f"sha256:{stand_in(f'diff-id {number}')}",
        )
        for number, layer in enumerate(graph.subject.layers)
    )
    subject = replace(graph.subject, digest=f"sha256:{stand_in('image')}", layers=layers)
    return replace(graph, subject=subject)


def graph_values(graph: Graph, form: str) -> dict[str, str]:
    """What stands in a JSON text about `blank_graph(graph)` -> what is to stand there."""
    blank = blank_graph(graph)
    digests = [(blank.subject.digest, graph.subject.digest)]
    for there, here in zip(blank.subject.layers, graph.subject.layers, strict=True):
        digests += [(there.digest, here.digest), (there.diff_id, here.diff_id)]
    return {
        **{there.removeprefix("sha256:"): here.removeprefix("sha256:") for there, here in digests},
        str(identity(blank, form)): str(identity(graph, form)),
        REMARK: json.dumps(remark(graph))[1:-1],
    }


def graph_key(library: str, graph: Graph) -> str:
    """Everything that a document without its components depends on, but for what is filled in."""
    subject = graph.subject
    said = [
        *(subject.name, subject.profile, subject.platform, subject.created),
        *([layer.name for layer in subject.layers], graph.foreign),
        *(graph.distribution.id, graph.distribution.version, graph.distribution.name),
        [(one.ref, one.sort, one.name, one.licence.expression) for one in graph.components],
    ]
    return hashlib.sha256(f"{library} {recipe()} frame {json.dumps(said)}".encode()).hexdigest()
