"""`temper sbom`: the SBOM of an image, ours or any other."""

from collections.abc import Iterator
from pathlib import Path

from builder.bills import document, keeping, stated
from builder.errors import InputError
from builder.image.folder import plain_errors
from builder.image.packed import digests_of
from builder.model.sbom import FILES, SPDX
from builder.named import Wanted, located, named
from builder.reference import Opened
from builder.stages import LAYOUT, SBOM
from builder.verify.text import coverage
from builder.workplace import Workplace


def sbom(place: Workplace, reference: str, wanted: Wanted, form: str, output: Path | None) -> Iterator[str]:
    """The document in pieces of text; or none, where `output` is a file, which gets it whole or not at all.

    The one that was written when the image was built, if it is about that very image. Raises what `named`
    does.
    """
    if reference in place.workspace.images():
        folder, stored = located(place, reference, wanted)
        if (pieces := _beside(place, folder, stored.manifest, form)) is not None:
            yield from _given(pieces, output)
            return
    with named(place, reference, wanted) as found:
        pieces = None
        if found.place is not None:
            folder = found.place.parent if found.place.name == LAYOUT else found.place
            pieces = _beside(place, folder, found.image.digest, form)
        yield from _given(_made(place, found, form) if pieces is None else pieces, output)


def _given(pieces: Iterator[str], output: Path | None) -> Iterator[str]:
    if output is None:
        yield from pieces
    else:
        _write(output, pieces)


def _beside(place: Workplace, folder: Path, digest: str, form: str) -> Iterator[str] | None:
    """The document of the build, where it is about this very image."""
    [said] = [one for one in stated(place.store, folder) if one.file.endswith(FILES[form])]
    if said.problem or said.digest != digest:
        return None
    return iter([(folder / SBOM / FILES[form]).read_text("utf-8")])


def _made(place: Workplace, found: Opened, form: str) -> Iterator[str]:
    """Of what the image's own records say; read as long as the image is open."""
    from builder.supply.collect import of_foreign  # noqa: PLC0415 - a document that is there needs none of it

    place.progress.stage("looking at who brought each file")
    sha1 = digests_of(found.image.rootfs.files(), "sha1") if form == SPDX else {}
    graph = of_foreign(found.image, found.name, sha1)
    place.progress.note(f"of what the image's own records say: {coverage(graph.coverage)}")
    return document(graph, form, keeping(place.store))


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
