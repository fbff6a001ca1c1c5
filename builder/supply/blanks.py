"""Documents with stand-ins in the place of digests, which both formats do nothing but repeat.

Importing the formats' libraries takes longer than all the rest of a build after one changed file. So what
the image's own files and the image itself contribute is made once with stand-ins, kept, and filled in for
each build. A document whose blanks are known can be made again by filling them, without its graph.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from builder.supply.graph import Component, Graph, PlacedLayer, Sort, Subject
from builder.supply.naming import identity, recipe, sha1_of, sha256_of

OWN = frozenset({Sort.FILES, Sort.GENERATED})
"""Of these the contents change from build to build; packages are kept as they are."""
_BLANK = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{40}(?:[0-9a-f]{24})?)(?![0-9a-f])"
)
Sums = Mapping[str, tuple[str, str]]
"""Path -> SHA-1 and SHA-256."""
Values = Mapping[str, str]
"""Stand-in -> what is to stand there."""


@dataclass(frozen=True, slots=True)
class Blank:
    """A piece of a document that holds stand-ins."""

    about: str
    """The reference of the component that it tells of; empty for the image as a whole."""
    text: str


Piece = str | Blank


def all_filled(pieces: Iterable[Piece], values: Mapping[str, Values]) -> Iterator[str]:
    """`values` by what a blank is about."""
    for piece in pieces:
        yield filled(piece.text, values[piece.about]) if isinstance(piece, Blank) else piece


def stand_in(what: str, digits: int = 64) -> str:
    """Looks like a digest, so that a library takes it for one; is none of anything."""
    return hashlib.sha256(f"stand-in {what}".encode()).hexdigest()[:digits]


def filled(text: str, values: Values) -> str:
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


def layer_values(digests: Iterable[str]) -> dict[str, str]:
    """Of `blank_layers`."""
    real = tuple(digests)
    pairs = zip(blank_layers(real), real, strict=True)
    return {there.removeprefix("sha256:"): here.removeprefix("sha256:") for there, here in pairs}


def blank_subject(subject: Subject) -> Subject:
    """The same image without digests."""
    layers = tuple(
        PlacedLayer(
            name=layer.name,
            digest=f"sha256:{stand_in(f'digest {number}')}",
            diff_id=f"sha256:{stand_in(f'diff-id {number}')}",
        )
        for number, layer in enumerate(subject.layers)
    )
    return replace(subject, digest=f"sha256:{stand_in('image')}", layers=layers)


def blank_graph(graph: Graph) -> Graph:
    return replace(graph, subject=blank_subject(graph.subject))


def subject_values(subject: Subject, remark: str, form: str) -> dict[str, str]:
    """What stands in a JSON text about `blank_subject(subject)` -> what is to stand there."""
    blank = blank_subject(subject)
    digests = [(blank.digest, subject.digest)]
    for there, here in zip(blank.layers, subject.layers, strict=True):
        digests += [(there.digest, here.digest), (there.diff_id, here.diff_id)]
    return {
        **{there.removeprefix("sha256:"): here.removeprefix("sha256:") for there, here in digests},
        str(identity(blank, form)): str(identity(subject, form)),
        REMARK: json.dumps(remark)[1:-1],
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
