"""`temper sbom`: the SBOM of an image, ours or any other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from builder.bills import document, keeping, stated
from builder.errors import InputError
from builder.image.folder import plain_errors
from builder.image.packed import digests_of
from builder.model.report import SbomRow
from builder.model.sbom import FILES, SPDX
from builder.named import Wanted, named
from builder.reference import Opened
from builder.stages import LAYOUT, SBOM
from builder.verify.text import coverage
from builder.workplace import Workplace


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Pieces of a document, which may be read as long as the image is open."""

    pieces: Iterator[str]
    row: SbomRow | None = None
    """Of a document that was made now; one beside the image was counted when that was built."""


def sbom(place: Workplace, reference: str, wanted: Wanted, form: str, output: Path | None) -> Iterator[str]:
    """The document in pieces of text; or none, where `output` is a file, which gets it whole or not at all.

    The one that was written when the image was built, if it is about that very image. Raises what `named`
    does.
    """
    with named(place, reference, wanted) as found:
        written = _beside(place, found, form) or _made(place, found, form)
        if written.row is not None:
            place.progress.note(f"of what the image's own records say: {coverage(written.row)}")
        if output is None:
            yield from written.pieces
        else:
            _write(output, written.pieces)


def _beside(place: Workplace, found: Opened, form: str) -> Written | None:
    if found.place is None:
        return None
    folder = found.place.parent if found.place.name == LAYOUT else found.place
    [said] = [one for one in stated(place.store, folder) if one.file.endswith(FILES[form])]
    if said.problem or said.digest != found.image.digest:
        return None
    return Written(pieces=iter([(folder / SBOM / FILES[form]).read_text("utf-8")]))


def _made(place: Workplace, found: Opened, form: str) -> Written:
    from builder.supply.collect import of_foreign  # noqa: PLC0415 - a document that is there needs none of it

    place.progress.stage("looking at who brought each file")
    sha1 = digests_of(found.image.rootfs.files(), "sha1") if form == SPDX else {}
    graph = of_foreign(found.image, found.name, sha1)
    return Written(pieces=document(graph, form, keeping(place.store)), row=graph.coverage)


def _write(output: Path, pieces: Iterator[str]) -> None:
    if output.is_dir():
        raise InputError(f"'{output}': is a folder; name the file")
    fresh = output.with_name(f".{output.name}.partial")
    with plain_errors(output):
        try:
            with fresh.open("w", encoding="utf-8") as file:
                file.writelines(pieces)
            fresh.replace(output)
        finally:
            fresh.unlink(missing_ok=True)
