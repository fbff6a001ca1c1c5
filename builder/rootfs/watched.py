"""Contents that tell who asks for their bytes."""

from collections.abc import Container
from dataclasses import dataclass, field
from typing import BinaryIO

from builder.model.tree import Content, Entry, Facts, Rootfs


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A file's content as it is. Whoever asks for its digest has as good as looked at its bytes."""

    path: str
    content: Content
    facts: Facts
    looked_at: set[str] = field(compare=False)

    @property
    def size(self) -> int:
        return self.content.size

    @property
    def sha256(self) -> str:
        self.looked_at.add(self.path)
        return self.content.sha256

    def open(self) -> BinaryIO:
        self.looked_at.add(self.path)
        return self.content.open()


@dataclass(frozen=True, slots=True)
class Watch:
    """Over some files of a tree."""

    looked_at: set[str] = field(default_factory=set)
    """Paths of those whose bytes somebody asked for."""

    def over(self, entry: Entry, facts: Facts) -> Entry:
        assert entry.content is not None  # noqa: S101 - only called for files
        content = Watched(path=entry.path, content=entry.content, facts=facts, looked_at=self.looked_at)
        return entry.replace(content=content)


def unwatched(rootfs: Rootfs, paths: Container[str]) -> Rootfs:
    """The tree with the contents themselves again, where those of `paths` are still there."""
    return Rootfs({path: _bare(entry) if path in paths else entry for path, entry in rootfs.items()})


def _bare(entry: Entry) -> Entry:
    return entry.replace(content=entry.content.content) if isinstance(entry.content, Watched) else entry
