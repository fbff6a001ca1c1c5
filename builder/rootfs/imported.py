"""Libraries that Python has loaded before a module that is linked against them: by importing another package.

An extension of PyTorch has no search path to PyTorch's libraries: it is imported after `torch`, and the
loader takes a library of that name that is there already (ld.so(8)).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from builder.model.tree import Rootfs
from builder.rootfs.closure import Missing

IMPORTED_FIRST = ("nvidia/nccl/lib", "torch/lib", "tvm_ffi/lib")
"""Folders of libraries below Python's packages, which the packages that they belong to load when imported."""
_PACKAGE = re.compile(r".*/(?:dist|site)-packages/(?P<name>[^/]+)/")


def lacking_after_imports(rootfs: Rootfs, gaps: Iterable[Missing]) -> Iterator[Missing]:
    """The gaps that importing doesn't close.

    A package that is linked against one library of such a folder imports first what that belongs to; with it
    come all libraries of the folder, and what these are linked against.
    """
    found = tuple(gaps)
    brought = {folder: names for folder in IMPORTED_FIRST if (names := _libraries(rootfs, folder))}
    loaded: dict[str, set[str]] = defaultdict(set)
    for gap in found:
        for names in brought.values():
            if gap.soname in names and package_of(gap.path):
                loaded[package_of(gap.path)].update(names, *names.values())
    for gap in found:
        if gap.soname not in loaded.get(package_of(gap.path), ()):
            yield gap


def package_of(path: str) -> str:
    """`usr/lib/python3/dist-packages/vllm/_C.so` -> `vllm`; empty for what is no part of a package."""
    match = _PACKAGE.match(path)
    return match["name"] if match is not None else ""


def _libraries(rootfs: Rootfs, folder: str) -> Mapping[str, tuple[str, ...]]:
    """File name -> the sonames that it is linked against."""
    found = {}
    for place in {
        f"{path.partition('-packages/')[0]}-packages/{folder}" for path in rootfs if path.endswith(folder)
    }:
        for entry in rootfs.below(place):
            elf = entry.content.facts.elf if entry.content is not None else None
            if elf is not None and entry.path.rpartition("/")[0] == place:
                found[entry.path.rpartition("/")[2]] = elf.needed
    return found
