"""Whether a package's code is in an image, though the package database lists the package. Pure."""

from collections.abc import Iterator

from builder.controls.inventory import inventory
from builder.model.image import Image
from builder.model.package import Package, normal
from builder.model.tree import Entry, Kind

NO_CODE = (
    "usr/share/bug/", "usr/share/doc/", "usr/share/doc-base/", "usr/share/info/", "usr/share/lintian/",
    "usr/share/locale/", "usr/share/man/", "var/lib/dpkg/",
)  # fmt: skip
"""Where nothing stands that runs. Everything else is taken for code: data can be what is vulnerable."""


def is_code(path: str) -> bool:
    return not path.startswith(NO_CODE) and ".dist-info/" not in path


def code_there(image: Image, package: str) -> str:
    """A file that the image's records say is the package's, and that is there; empty where there is none."""
    owners = {f"deb {package}", f"wheel {normal(package)}"}
    files = inventory(image).files
    return next(
        (path for path, owner in files.items() if owner in owners and is_code(path) and path in image.rootfs),
        "",
    )


def proven_absent(image: Image, package: Package) -> bool:
    """No file that the package brings lies in any layer, by its path or by what it holds.

    A package that brings nothing but documents proves nothing: there is no code to miss.
    """
    brought = [entry for entry in package.entries if entry.kind is not Kind.DIRECTORY and is_code(entry.path)]
    if not any(entry.kind is Kind.FILE for entry in brought):
        return False
    paths = {entry.path for entry in brought}
    hashes = {entry.content.sha256 for entry in brought if entry.content is not None and entry.size}
    return not any(
        entry.path in paths or (entry.content is not None and entry.content.sha256 in hashes)
        for entry in everything(image)
    ) and not any(image.rootfs.resolve(f"/{path}") for path in paths)


def everything(image: Image) -> Iterator[Entry]:
    """Of all layers: what a later one hides is in the image all the same."""
    yield from image.rootfs.values()
    for layer in image.layers:
        yield from layer.rootfs.values()
