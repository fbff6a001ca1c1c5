"""Finished images read back from disk, trusting nothing: every digest and size is checked.

An OCI image layout (OCI image-spec 1.1, image-layout.md), or the archive that `docker save` writes.
"""

import hashlib
import json
import platform as host
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import ArchiveError, InputError
from builder.image.config import layer_names, parse_config, parse_history, platform_of
from builder.image.contents import Budget, keeper
from builder.image.flatten import apply, own_tree, parse_change
from builder.image.streams import LayerStream, Span
from builder.model.image import Image, Layer
from builder.model.tree import Content, Owner, Rootfs, Slice
from builder.rootfs.archive import read_layer
from builder.rootfs.members import Member

MAX_JSON = 16 << 20
"""Bytes of a manifest or config that is read into memory."""
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A finished image's parts: what an engine needs to be given, in the order it needs them."""

    manifest: str
    """`sha256:...`; empty for an archive of `docker save`, which has none."""
    config: bytes
    """Verbatim: its digest is the image's id."""
    layers: tuple[Span, ...]
    """Lowest first."""
    annotations: tuple[tuple[str, str], ...] = ()

    @property
    def image_id(self) -> str:
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}"


def read_layout(folder: Path, platform: str | None = None) -> Image:
    """The image of a layout, `platform` (`linux/arm64`) telling which where it holds several.

    Each layer is read once, as a stream. What is unsafe in a layer stands in its `problems`; damage
    raises `ArchiveError` that names the blob, a platform that isn't there `InputError`.
    """
    return read_image(find_image(folder, platform))


def read_archive(path: Path) -> Image:
    """The one image of a `docker save` archive."""
    return read_image(find_in_archive(path))


def find_image(folder: Path, platform: str | None = None) -> Stored:
    """The manifest, config and layers of a layout; of the layers only their sizes are checked here."""
    index = _json(_bytes(folder / "index.json", "index.json"), folder, "index.json")
    descriptor = _choose(folder, list(_manifests(folder, index)), platform)
    manifest = _json(_blob(folder, descriptor), folder, descriptor["digest"])
    try:
        return Stored(
            manifest=descriptor["digest"],
            config=_blob(folder, manifest["config"]),
            layers=tuple(_span(folder, layer) for layer in manifest["layers"]),
            annotations=tuple(sorted((manifest.get("annotations") or {}).items())),
        )
    except (KeyError, TypeError, AttributeError):
        raise ArchiveError(f"'{folder}': {descriptor['digest']}: is not an image manifest") from None


def find_in_archive(path: Path) -> Stored:
    """The archive is read as a tree of its own, since a layer may stand in it as a link to another."""

    def keep(member: Member, stream: Any) -> Content:  # noqa: ARG001 - the bytes stay where they are
        return Slice(path=path, offset=member.offset, size=member.size, sha256="")

    try:
        with path.open("rb") as file:
            entries, _ = read_layer(file, f"'{path}'", Owner(kind="layer", name="archive"), keep)
    except OSError as error:
        raise ArchiveError(f"'{path}': can't be read: {str(error.strerror).lower()}") from None
    tree = Rootfs().with_entries(entries)
    images = _json(_member(tree, path, "manifest.json"), path, "manifest.json")
    if not isinstance(images, list) or len(images) != 1:
        raise ArchiveError(f"'{path}': manifest.json: holds not one image; save one at a time")
    return Stored(
        manifest="",
        config=_member(tree, path, images[0]["Config"]),
        layers=tuple(_member_span(tree, path, name) for name in images[0]["Layers"]),
    )


def read_image(stored: Stored) -> Image:
    """Reads and merges the layers, and checks them against the config's `diff_ids`."""
    data = _json(stored.config, Path(stored.image_id), "config")
    diff_ids = (data.get("rootfs") or {}).get("diff_ids") or []
    if len(diff_ids) != len(stored.layers):
        raise ArchiveError(
            f"{stored.image_id}: the config names {len(diff_ids)} layers, the manifest {len(stored.layers)}"
        )
    names = layer_names(data)
    budget = Budget()
    tree = Rootfs()
    layers = []
    for number, (span, diff_id) in enumerate(zip(stored.layers, diff_ids, strict=True)):
        name = names[number] if number < len(names) and names[number] else f"layer {number + 1}"
        layer, tree = _read_layer(span, diff_id, name, tree, budget)
        layers.append(layer)
    return Image(
        rootfs=tree,
        config=parse_config(data),
        layers=tuple(layers),
        history=parse_history(data),
        digest=stored.manifest,
        size=sum(span.size for span in stored.layers),
        annotations=stored.annotations,
    )


def _read_layer(span: Span, diff_id: str, name: str, below: Rootfs, budget: Budget) -> tuple[Layer, Rootfs]:
    """The layer, and the tree with it on top."""
    with LayerStream(span) as stream:
        keep = keeper(span, stream.packing, budget)
        owner = Owner(kind="layer", name=name)
        entries, problems = read_layer(stream, span.problem_prefix, owner, keep, below)  # type: ignore[arg-type]
        digest, plain = stream.finish()
    if span.name.startswith("sha256:") and digest != span.name:
        raise ArchiveError(
            f"{span.problem_prefix}: is damaged: its bytes are {digest}; build the image again"
        )
    if plain != diff_id:
        raise ArchiveError(f"{span.problem_prefix}: unpacks to {plain}, though the config says {diff_id}")
    change = parse_change(entries)
    tree, whiteouts = apply(below, change)
    layer = Layer(
        name=name,
        rootfs=own_tree(change),
        whiteouts=whiteouts,
        digest=digest,
        diff_id=plain,
        problems=problems,
    )
    return layer, tree


def _manifests(folder: Path, index: Any) -> Iterator[Mapping[str, Any]]:
    """Descriptors of images, those of nested indexes too; attestations (no platform) are passed over."""
    for descriptor in index.get("manifests") or ():
        if str(descriptor.get("mediaType", "")).endswith(("image.index.v1+json", "manifest.list.v2+json")):
            yield from _manifests(folder, _json(_blob(folder, descriptor), folder, descriptor["digest"]))
        elif (descriptor.get("platform") or {}).get("architecture") != "unknown":
            yield descriptor


def _choose(folder: Path, found: Sequence[Mapping[str, Any]], platform: str | None) -> Mapping[str, Any]:
    if not found:
        raise ArchiveError(f"'{folder}': index.json: names no image")
    if platform is None and len(found) == 1:
        return found[0]
    wanted = platform or f"linux/{_MACHINES.get(host.machine(), host.machine())}"
    for descriptor in found:
        if _descriptor_platform(folder, descriptor) == wanted:
            return descriptor
    there = ", ".join(sorted(f"'{_descriptor_platform(folder, descriptor)}'" for descriptor in found))
    raise InputError(f"'{folder}': holds no image for '{wanted}'; it holds {there}")


def _descriptor_platform(folder: Path, descriptor: Mapping[str, Any]) -> str:
    """As the index says, else as the image's own config does: the platform is optional in an index."""
    if descriptor.get("platform"):
        return platform_of(descriptor["platform"])
    manifest = _json(_blob(folder, descriptor), folder, descriptor["digest"])
    return platform_of(_json(_blob(folder, manifest["config"]), folder, "config"))


def _span(folder: Path, descriptor: Mapping[str, Any]) -> Span:
    digest, size = str(descriptor["digest"]), int(descriptor["size"])
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or len(value) != 64 or value.strip("0123456789abcdef"):
        raise ArchiveError(f"'{folder}': {digest!r} is not a sha256 digest")
    path = folder / "blobs" / algorithm / value
    try:
        there = path.stat().st_size
    except OSError as error:
        reason = str(error.strerror).lower()
        raise ArchiveError(f"'{path}': {digest}: can't be read: {reason}") from None
    if there != size:
        raise ArchiveError(
            f"'{path}': {digest}: is damaged: it has {there} bytes instead of {size}; build the image again"
        )
    return Span(path=path, offset=0, size=size, name=digest)


def _blob(folder: Path, descriptor: Mapping[str, Any]) -> bytes:
    span = _span(folder, descriptor)
    data = _bytes(span.path, span.name)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if digest != span.name:
        raise ArchiveError(
            f"{span.problem_prefix}: is damaged: its bytes are {digest}; build the image again"
        )
    return data


def _bytes(path: Path, name: str) -> bytes:
    try:
        if path.stat().st_size > MAX_JSON:
            raise ArchiveError(f"'{path}': {name}: is larger than {MAX_JSON} bytes")
        return path.read_bytes()
    except FileNotFoundError:
        raise ArchiveError(f"'{path}': {name}: not found; is this an OCI image layout?") from None
    except OSError as error:
        raise ArchiveError(f"'{path}': {name}: can't be read: {str(error.strerror).lower()}") from None


def _json(data: bytes, place: Path, name: str) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise ArchiveError(f"'{place}': {name}: is not valid JSON: {error}") from None


def _member_span(tree: Rootfs, path: Path, name: str) -> Span:
    entry = tree.resolve(name)
    if entry is None or not isinstance(entry.content, Slice):
        raise ArchiveError(f"'{path}': {name}: not found; is this an archive of 'docker save'?")
    return Span(path=path, offset=entry.content.offset, size=entry.content.size, name=name)


def _member(tree: Rootfs, path: Path, name: str) -> bytes:
    span = _member_span(tree, path, name)
    if span.size > MAX_JSON:
        raise ArchiveError(f"'{path}': {name}: is larger than {MAX_JSON} bytes")
    return b"".join(span.chunks())
