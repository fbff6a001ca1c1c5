"""Variants of an image: the part of image.yaml that differs, laid over the rest of the same file."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.config.document import Document, read
from builder.config.merging import merged
from builder.config.problems import Location, Problem

VARIANTS = "variants"


def variant_lines(path: Path) -> dict[str, int]:
    """Name of each variant in an image.yaml -> its line; none where the file can't be understood.

    Most files have none, and most commands ask all files: only one that holds the word is parsed.
    """
    try:
        if VARIANTS.encode() not in path.read_bytes():
            return {}
    except OSError:
        return {}
    document = read(path)
    return {name: document.lines[VARIANTS, name] for name in written_variants(document)}


def written_variants(document: Document) -> dict[str, dict[str, Any]]:
    """Those that are mappings, as they were written."""
    data = document.data if isinstance(document.data, dict) else {}
    found = data.get(VARIANTS)
    pairs = found.items() if isinstance(found, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, dict)}


def varied(document: Document, variant: str) -> Document:
    """The file as the variant has it. Each value keeps the line that it was written in, and its place there.

    Merged like a profile over the one it extends: mappings key by key; lists and single values are replaced.
    """
    root: Location = (VARIANTS, variant)
    above = {key: value for key, value in written_variants(document)[variant].items() if key != VARIANTS}
    below = {key: value for key, value in document.data.items() if key != VARIANTS}
    own = {at[2:] for at in document.lines if at[:2] == root} - {()} - set(_shared(below, above))
    gone = set(_replaced(below, above))
    kept = {at: line for at, line in document.lines.items() if not _below(at, gone) and at[:1] != (VARIANTS,)}
    texts = {at: text for at, text in document.texts.items() if at in kept}
    return replace(
        document,
        data=merged(below, above),
        lines={**kept, **{at: document.lines[(*root, *at)] for at in own}},
        texts={**texts, **{at: document.texts[(*root, *at)] for at in own if (*root, *at) in document.texts}},
        roots=dict.fromkeys(own, root),
        problems=[*_problems(document, root)],
    )


def _shared(below: Mapping[str, Any], above: Mapping[str, Any], at: Location = ()) -> Iterator[Location]:
    """Mappings that both write: what is missing in one is missing in the image's."""
    for key, value in above.items():
        old = below.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            yield (*at, key)
            yield from _shared(old, value, (*at, key))


def _replaced(below: Mapping[str, Any], above: Mapping[str, Any], at: Location = ()) -> Iterator[Location]:
    for key, value in above.items():
        old = below.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            yield from _replaced(old, value, (*at, key))
        else:
            yield (*at, key)


def _below(at: Location, tops: set[Location]) -> bool:
    return any(at[:length] in tops for length in range(1, len(at) + 1))


def _problems(document: Document, root: Location) -> Iterator[Problem]:
    """Of the YAML itself, as far as they are about the variant or about what it shares."""
    for problem in document.problems:
        if problem.within(root) and len(problem.at) > len(root):
            yield replace(problem, at=problem.at[len(root) :], root=root)
        elif not problem.within((VARIANTS,)):
            yield problem
    if VARIANTS in written_variants(document)[root[1]]:  # type: ignore[index]
        text = "a variant has none of its own; write it beside this one"
        yield replace(document.problem((*root, VARIANTS), text), at=(VARIANTS,), root=root)
