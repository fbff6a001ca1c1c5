"""What a person calls an image that exists: a layout, an archive, an image or container of the engine."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from builder.errors import EngineError, InputError, StoreError
from builder.image.layout import Stored, find_image, find_in_archive, read_image
from builder.image.memory import Memory
from builder.image.spooled import spooled
from builder.model.image import Image
from builder.names import suggestion
from builder.packages.store import Store
from builder.progress import Progress
from builder.stages import LAYOUT

if TYPE_CHECKING:
    from builder.image.engine import Engine

FORMS = ("oci", "docker-archive", "oci-archive", "docker", "container")
"""As skopeo and podman write them: `oci:FOLDER`, `docker-archive:FILE`, `docker:NAME`, `container:NAME`."""
ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An image that was read; its contents can be read again as long as the block runs."""

    image: Image
    stored: Stored
    """Its parts where they lie."""
    name: str
    """What reports call it."""
    place: Path | None = None
    """The layout or archive that it was read from; `None` for an image of the engine."""
    identity: str = ""
    """What the engine knows it by, where that has it."""


@contextmanager
def opened(
    reference: str,
    store: Store,
    progress: Progress,
    platform: str | None = None,
    known: Iterable[str] = (),
    memory: Memory | None = None,
) -> Iterator[Opened]:
    """Reads the image that `reference` means; `known` are names that may have been meant by a misspelt one.
    Without a `memory` every layer is read, and what was learnt of it forgotten.

    Raises `InputError` where it means nothing, `ArchiveError` where the image is damaged, `EngineError`.
    """
    form, _, rest = reference.partition(":")
    if form in FORMS and rest:
        with _BY_FORM[form](rest, store, progress, platform, memory) as found:
            yield found
    elif (path := Path(reference)).exists():
        with (_layout if path.is_dir() else _archive)(reference, store, progress, platform, memory) as found:
            yield found
    else:
        with _of_engine(reference, store, progress, nearest(reference, known), memory) as found:
            yield found


def nearest(reference: str, known: Iterable[str]) -> str:
    hint = suggestion(reference, known)
    return hint if "did you mean" in hint else ""


@contextmanager
def _layout(
    reference: str, _store: Store, progress: Progress, platform: str | None, memory: Memory | None
) -> Iterator[Opened]:
    """Of a build's folder, the layout in it."""
    folder = Path(reference)
    if not (folder / "index.json").exists() and (folder / LAYOUT / "index.json").exists():
        folder /= LAYOUT
    progress.stage(f"reading the layout {folder}")
    yield _read(find_image(folder, platform), Path(reference).absolute().name, folder, memory)


@contextmanager
def _archive(
    reference: str, store: Store, progress: Progress, platform: str | None, memory: Memory | None
) -> Iterator[Opened]:
    """Of `docker save`, or a tar of a layout: what it holds tells. Compressed ones are unpacked first."""
    path = Path(reference)
    with spooled(path, store, progress) as plain:
        progress.stage(f"reading the archive {path}")
        found = _read(find_in_archive(plain, platform, shown=reference), archive_name(path), path, memory)
        if platform is not None and found.image.config.platform != platform:
            raise InputError(
                f"'{path}': holds no image for '{platform}'; it holds '{found.image.config.platform}'"
            )
        yield found


def archive_name(path: Path) -> str:
    ending = max((end for end in ENDINGS if path.name.endswith(end)), key=len, default="")
    return path.name.removesuffix(ending)


def _read(stored: Stored, name: str, place: Path | None, memory: Memory | None, identity: str = "") -> Opened:
    image = read_image(stored, memory)
    image = image.replace(digest=image.digest or stored.image_id)
    return Opened(image=image, stored=stored, name=name, place=place, identity=identity)


@contextmanager
def _of_engine(
    reference: str, store: Store, progress: Progress, hint: str, memory: Memory | None
) -> Iterator[Opened]:
    from builder.image.engine import Engine  # noqa: PLC0415 - its client takes 0.2 s to import

    try:
        engine = Engine.connect()
    except EngineError as error:
        raise InputError(
            f"'{reference}': no such image or file here, and no engine to ask: {error}{hint}"
        ) from None
    with engine:
        image = engine.image_id(reference) or engine.container_image(reference)
        if image is None:
            raise InputError(
                f"'{reference}': no such image or file here, and the engine has neither an image nor a "
                f"container of this name{hint or '; pull the image first'}"
            )
        with _saved(engine, image, reference, store, progress, memory) as found:
            yield found


@contextmanager
def _image(
    reference: str, store: Store, progress: Progress, _platform: str | None, memory: Memory | None
) -> Iterator[Opened]:
    def image(engine: "Engine") -> str | None:
        return engine.image_id(reference)

    with _asked(reference, store, progress, "image", image, memory) as found:
        yield found


@contextmanager
def _container(
    reference: str, store: Store, progress: Progress, _platform: str | None, memory: Memory | None
) -> Iterator[Opened]:
    def image(engine: "Engine") -> str | None:
        return engine.container_image(reference)

    with _asked(reference, store, progress, "container", image, memory) as found:
        yield found


@contextmanager
def _asked(
    reference: str,
    store: Store,
    progress: Progress,
    what: str,
    ask: "Callable[[Engine], str | None]",
    memory: Memory | None,
) -> Iterator[Opened]:
    from builder.image.engine import Engine  # noqa: PLC0415

    with Engine.connect() as engine:
        image = ask(engine)
        if image is None:
            raise InputError(f"'{reference}': the engine has no {what} of this name")
        with _saved(engine, image, reference, store, progress, memory) as found:
            yield found


@contextmanager
def _saved(
    engine: "Engine", image: str, name: str, store: Store, progress: Progress, memory: Memory | None
) -> Iterator[Opened]:
    """The engine sends layers and manifest in any order: what it sends lies in the store for this long."""
    progress.stage(f"asking the engine for '{name}'")
    with store.scratch() as (path, file):
        try:
            engine.save(image, file)
            file.flush()
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StoreError(f"'{path}': can't be written: {reason}; free room or set TEMPER_STORE") from None
        progress.stage(f"reading '{name}'")
        yield _read(find_in_archive(path, shown=name), name, None, memory, image)


_BY_FORM = {
    "oci": _layout,
    "docker-archive": _archive,
    "oci-archive": _archive,
    "docker": _image,
    "container": _container,
}
