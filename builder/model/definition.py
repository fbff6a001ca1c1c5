"""The definition: a complete build context. `docker build` on it needs no network and runs nothing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedFile:
    path: str
    """Relative to the definition's folder: `Dockerfile`, `run/compose.yaml`."""
    text: str
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    files: tuple[RenderedFile, ...]
    """The Dockerfile, .dockerignore, and the run contract under `run/`."""

    def file(self, path: str) -> RenderedFile:
        return next(file for file in self.files if file.path == path)
