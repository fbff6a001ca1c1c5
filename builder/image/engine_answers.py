"""What an engine says while it loads or builds an image, line by line."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from builder.image.engine_errors import refused

_STEP = re.compile(r" ---> ([0-9a-f]{12,64})")
_STORAGE = ("overlay2", "fuse-overlayfs", "btrfs", "zfs", "vfs")
"""By their names in Docker's; Podman calls its own `overlay`."""
_LOADED = re.compile(r"Loaded image(?: ID)?: (\S+)")


def loaded(stream: Iterator[Mapping[str, Any]], tag: str) -> str:
    """The id or name that the engine reports at the end."""
    found = ""
    for line in _sound(stream, f"loading '{tag}'"):
        if match := _LOADED.search(str(line.get("stream", ""))):
            found = match[1]
    return found


def built(stream: Iterator[Mapping[str, Any]], tag: str, made: list[str]) -> str:
    """Fills `made` with the images of the steps as they come; returns the last one."""
    for line in _sound(stream, f"building '{tag}'"):
        if match := _STEP.fullmatch(str(line.get("stream", "")).strip("\n")):
            made.append(match[1])
        elif "ID" in (line.get("aux") or {}):
            made.append(line["aux"]["ID"])
    if not made:
        raise refused(f"building '{tag}'", "it did not say what it made")
    return made[-1]


def keeps_layers(info: Mapping[str, Any]) -> bool:
    """Whether it is Docker with storage of its own, of which we know that it looks for a layer by the config
    before it opens its file.

    containerd, where Docker keeps its images there, would take the empty file for the layer.
    """
    return info.get("Driver") in _STORAGE and "containerd" not in str(info.get("DriverStatus"))


def _sound(stream: Iterator[Mapping[str, Any]], doing: str) -> Iterator[Mapping[str, Any]]:
    """Raises `EngineError` for an error in the stream, which is read to its end all the same.

    Otherwise the SDK would leave its connection open.
    """
    error = None
    for line in stream:
        error = error or line.get("error")
        if error is None:
            yield line
    if error is not None:
        raise refused(doing, str(error))
