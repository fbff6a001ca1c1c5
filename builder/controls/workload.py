"""What a finished image says of its own workload: which commands are started, and where Python's code is."""

from collections.abc import Iterator

from builder.model.image import Image, ImageConfig
from builder.model.tree import Kind
from builder.rootfs.needs import Command, shell_line

FLAGS_WITH_VALUE = ("-W", "-X")


def commands(config: ImageConfig) -> Iterator[Command]:
    """The entrypoint with its arguments, and the health check."""
    words = (*config.entrypoint, *config.cmd)
    if words:
        yield Command(what="entrypoint", words=words, shell=shell_line(words))
    check = config.healthcheck
    if check is not None and config.healthcheck_shell:
        yield Command(what="health check", words=("/bin/sh",), shell=" ".join(check.command))
    elif check is not None:
        yield Command(what="health check", words=check.command, shell=shell_line(check.command))


def code_folder(image: Image) -> str:
    """The folder that Python puts first on its search path for the entrypoint; empty where it isn't Python.

    `PYTHONSAFEPATH` takes it away: a program that imports its neighbours needs it in `PYTHONPATH` then.
    """
    words = [*image.config.entrypoint, *image.config.cmd]
    if not words or not words[0].rpartition("/")[2].startswith("python"):
        return ""
    arguments = iter(words[1:])
    for word in arguments:
        if word in FLAGS_WITH_VALUE:
            next(arguments, None)
        elif word.startswith(("-m", "-c")):
            return image.config.workdir
        elif not word.startswith("-"):
            place = word if word.startswith("/") else f"{image.config.workdir.rstrip('/')}/{word}"
            entry = image.rootfs.resolve(place)
            if entry is None:
                return ""
            folder = entry.path if entry.kind is Kind.DIRECTORY else entry.path.rpartition("/")[0]
            return f"/{folder}"
    return ""
