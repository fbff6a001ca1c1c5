"""The Jinja environment: strict, sandboxed, with a quoting filter for every language it writes."""

import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateError,
)
from jinja2.bccache import Bucket
from jinja2.sandbox import ImmutableSandboxedEnvironment

from builder.errors import InputError
from builder.render.quoting import FILTERS
from builder.resources import templates_folder

OWN = "image"
"""Prefix under which an image's own templates are found; `{% extends "Dockerfile.j2" %}` is ours."""


def make_environment(folder: Path | None = None) -> ImmutableSandboxedEnvironment:
    """Sandboxed: rendering an image that somebody sent must not run their code."""
    loaders: list[Any] = [FileSystemLoader(templates_folder())]
    if folder is not None:
        loaders.append(PrefixLoader({OWN: FileSystemLoader(folder)}))
    environment = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader(loaders),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        bytecode_cache=_compiled(),
    )
    environment.filters.update(FILTERS)
    return environment


class _Compiled(FileSystemBytecodeCache):
    """Our templates compiled, beside them as Python keeps its modules, where it may: half of the time.

    An image's own are not kept: our folder is not theirs.
    """

    def get_bucket(self, environment: Environment, name: str, filename: str | None, source: str) -> Bucket:
        if Path(filename or "").is_relative_to(Path(self.directory).parent):
            return super().get_bucket(environment, name, filename, source)
        return Bucket(environment, "", self.get_source_checksum(source))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if not bucket.key:
            return
        folder = Path(self.directory)
        with suppress(OSError):  # Temper may be installed where its user can't write
            folder.mkdir(exist_ok=True)
            super().dump_bytecode(bucket)


def _compiled() -> _Compiled | None:
    folder = templates_folder() / "__pycache__"
    return None if sys.dont_write_bytecode else _Compiled(str(folder), "%s.jinja")


def render_template(environment: ImmutableSandboxedEnvironment, name: str, **values: Any) -> str:
    """Raises `InputError` with `path:line` for a template that is wrong; ours never are."""
    try:
        return environment.get_template(name).render(**values)
    except TemplateError as error:
        place, line = _place(error, name)
        raise InputError(f"{place}:{line}: {error.message}; mend the template") from None


def _place(error: TemplateError, name: str) -> tuple[str, int]:
    """Jinja puts the template's own lines into the traceback; syntax errors carry theirs."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".j2")]
    filename = getattr(error, "filename", None)
    if filename:
        return str(filename), int(getattr(error, "lineno", 1))
    if frames:
        return frames[-1].filename, frames[-1].lineno or 1
    return name, 1
