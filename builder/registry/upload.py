"""A blob on its way into a registry: looked for first, then sent, from where the last attempt broke off.

Source: OCI distribution-spec 1.1, "Pushing blobs", "Resuming an upload".
"""

import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path

import httpx

from builder.errors import ArchiveError
from builder.packages.session import BrokenError
from builder.progress import Progress
from builder.registry.client import Asked, Registry

PIECE = 1 << 20
_RANGE = re.compile(r"(?:bytes=)?0-(?P<last>[0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    digest: str
    """`sha256:...`"""
    size: int
    path: Path | None = None
    """Where it lies; `None` for one in memory."""
    data: bytes = b""

    @staticmethod
    def of(data: bytes) -> "Blob":
        return Blob(digest=f"sha256:{hashlib.sha256(data).hexdigest()}", size=len(data), data=data)

    @staticmethod
    def at(path: Path) -> "Blob":
        """A file of any size."""
        with path.open("rb") as file:
            digest, size = hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
        return Blob(digest=f"sha256:{digest}", size=size, path=path)

    def open(self) -> BufferedReader | BytesIO:
        return self.path.open("rb") if self.path is not None else BytesIO(self.data)


async def is_there(registry: Registry, blob: Blob) -> bool:
    head = await registry.persist(Asked("HEAD", registry.url(f"blobs/{blob.digest}")), (200, 404))
    return head.status_code == 200


class Upload:
    def __init__(self, registry: Registry, blob: Blob, progress: Progress) -> None:
        self._registry, self._blob, self._progress = registry, blob, progress
        self._location = ""
        self._confirmed = 0
        """Bytes that the registry says it has."""
        self._told = 0
        """Bytes that the progress was told of."""

    async def send(self) -> None:
        """Raises `RefusedError`, and `ArchiveError` for a damaged file."""
        await self._registry.session.persist(
            self._registry.url("blobs/uploads/"), self._attempt, lambda: self._confirmed
        )
        self._tell(self._blob.size)

    async def _attempt(self) -> None:
        if self._location:
            await self._resume()
        else:
            await self._begin()
        if self._confirmed < self._blob.size:
            await self._continue()
        await self._close()

    async def _begin(self) -> None:
        answer = await self._registry.ask(
            Asked("POST", self._registry.url("blobs/uploads/"), content=b""), (202,)
        )
        self._moved(answer)
        self._arrived(0)

    async def _resume(self) -> None:
        """Asks how far the last attempt came; a registry that has forgotten it gets everything again."""
        answer = await self._registry.ask(Asked("GET", self._location), (204, 404))
        if answer.status_code == 404:
            await self._begin()
            return
        self._moved(answer)
        found = _RANGE.fullmatch(answer.headers.get("Range", ""))
        last = int(found["last"]) if found else -1
        # "0-0" means nothing as well as one byte, so it is taken for nothing
        self._arrived(last + 1 if 0 < last < self._blob.size else 0)
        if self._confirmed == 0:
            await self._begin()

    async def _continue(self) -> None:
        start, end = self._confirmed, self._blob.size
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(end - start),
            "Content-Range": f"{start}-{end - 1}",
        }
        asked = Asked("PATCH", self._location, headers, lambda: self._pieces(start))
        answer = await self._registry.ask(asked, (202,))
        self._moved(answer)
        self._arrived(end)

    async def _pieces(self, start: int) -> AsyncIterator[bytes]:
        """A file that changed since it was assembled ends early or late; its digest tells at the end."""
        left = self._blob.size - start
        with self._blob.open() as file:
            file.seek(start)
            while left and (piece := file.read(min(left, PIECE))):
                left -= len(piece)
                yield piece
                self._tell(self._blob.size - left)

    async def _close(self) -> None:
        url = httpx.URL(self._location).copy_merge_params({"digest": self._blob.digest})
        answer = await self._registry.ask(Asked("PUT", str(url), content=b""), (201, 400, 404, 416))
        if answer.status_code != 201:
            self._judge(answer)

    def _judge(self, answer: httpx.Response) -> None:
        """It refuses what came: because the file is damaged, or the transfer was."""
        with self._blob.open() as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if found != self._blob.digest:
            raise ArchiveError(
                f"'{self._blob.path}': is damaged: its bytes are {found}; build the image again"
            )
        self._location = ""
        raise BrokenError(f"the registry received other bytes than were sent (status {answer.status_code})")

    def _moved(self, answer: httpx.Response) -> None:
        """Every answer may name another place for the next request."""
        if location := answer.headers.get("Location"):
            self._location = str(httpx.URL(self._registry.base).join(location))
        elif not self._location:
            raise BrokenError("the registry doesn't say where to send the blob")

    def _arrived(self, confirmed: int) -> None:
        self._confirmed = confirmed
        self._tell(confirmed)

    def _tell(self, sent: int) -> None:
        self._progress.advance(sent - self._told)
        self._told = sent
