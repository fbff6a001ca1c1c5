"""One file over HTTP: resumed, retried, capped in size and checked against its hash.

asyncio rather than threads: cancelling a blocked read is safe at any moment, so Ctrl-C leaves nothing behind.
"""

import asyncio
from collections.abc import Sequence

import httpx

from builder.packages.download import Download, Failure, shown
from builder.packages.part import Part
from builder.packages.session import BrokenError, RefusedError, Session, open_client
from builder.packages.store import Store
from builder.progress import Progress

POLL = 0.1
"""Seconds between looks at a file that another process is fetching."""


def fetch_all(store: Store, downloads: Sequence[Download], progress: Progress, workers: int) -> list[Failure]:
    """The failures, in the order of the downloads. Raises `StoreError` at once: the others are stopped."""
    return asyncio.run(_fetch_all(store, downloads, progress, workers))


async def _fetch_all(
    store: Store, downloads: Sequence[Download], progress: Progress, workers: int
) -> list[Failure]:
    async with open_client(workers) as client:
        fetching = Fetching(store, progress, Session(client), asyncio.Semaphore(workers))
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(fetching.one(download)) for download in downloads]
        except BaseExceptionGroup as problems:
            raise problems.exceptions[0] from None
    return [failure for task in tasks if (failure := task.result())]


class Fetching:
    """The state that the downloads of one `fetch` share."""

    def __init__(self, store: Store, progress: Progress, session: Session, slots: asyncio.Semaphore) -> None:
        self._store, self._progress, self._session, self._slots = store, progress, session, slots
        self._said_waiting = False

    async def one(self, download: Download) -> Failure | None:
        """Fetches one file, or waits until another process has."""
        while True:
            async with self._slots:
                if self._store.has(download.sha256):
                    self._progress.advance(download.size)
                    return None
                if part := Part.take(self._store, download.sha256):
                    with part:
                        return await self._into(part, download)
            if not self._said_waiting:
                self._said_waiting = True
                self._progress.note("another temper is fetching the same files; waiting for it")
            await asyncio.sleep(POLL)

    async def _into(self, part: Part, download: Download) -> Failure | None:
        if self._store.has(download.sha256):  # finished by another process since we looked
            part.discard()
            self._progress.advance(download.size)
            return None
        await asyncio.to_thread(part.read_back)
        self._progress.advance(part.size)
        try:
            await self._verified(part, download)
        except RefusedError as refused:
            if not part.size:
                part.discard()
            return Failure(name=download.name, reason=str(refused), gone=refused.gone)
        self._store.adopt(part.path, download.sha256)
        return None

    async def _verified(self, part: Part, download: Download) -> None:
        """Twice, since what an earlier run left may be what is wrong."""
        for _ in range(2):
            await self._session.persist(
                download.url, lambda: self._transfer(part, download), lambda: part.size
            )
            if (found := part.finish()) == download.sha256:
                return
            self._start_again(part)
        part.discard()
        raise RefusedError(
            f"its sha256 is {found}, not {download.sha256} ({shown(download.url)}); "
            f"the copy there is damaged or another file: use another mirror"
        )

    async def _transfer(self, part: Part, download: Download) -> None:
        """One attempt, from where the part ends."""
        if part.size > download.size:
            self._start_again(part)
        if part.size == download.size:
            return
        try:
            async with self._session.response(download.url, part.size) as response:
                self._agree(response, part, download)
                async for data in response.aiter_raw():
                    self._append(part, data, download)
        except BrokenError as broken:
            raise broken.after(part.size, download.size) from broken
        if part.size < download.size:
            raise BrokenError(f"the transfer ended after {part.size} of {download.size} bytes")

    def _agree(self, response: httpx.Response, part: Part, download: Download) -> None:
        """Whether the answer is the rest of the part, or the whole file."""
        if response.status_code != 200:
            expected = f"bytes {part.size}-{download.size - 1}/{download.size}"
            if response.headers.get("Content-Range") != expected:
                self._start_again(part)
                raise BrokenError("the server sent another range than asked for")
            return
        if part.size:  # it ignores Range
            self._start_again(part)
        if (length := response.headers.get("Content-Length", str(download.size))) != str(download.size):
            raise RefusedError(
                f"it has {length} bytes at {shown(download.url)}, not {download.size}; "
                f"a proxy's page or another version stands there: use another mirror"
            )

    def _append(self, part: Part, data: bytes, download: Download) -> None:
        if part.size + len(data) > download.size:
            self._start_again(part)
            raise RefusedError(
                f"more than the {download.size} bytes it should have came from {shown(download.url)}; "
                f"another version stands there: use another mirror"
            )
        part.append(data)
        self._progress.advance(len(data))

    def _start_again(self, part: Part) -> None:
        self._progress.advance(-part.size)
        part.reset()


def get_small(url: str, limit: int) -> bytes | Failure:
    """The file's bytes, or why not."""
    return asyncio.run(_get_small(url, limit))


async def _get_small(url: str, limit: int) -> bytes | Failure:
    received = bytearray()

    async def attempt() -> None:
        received.clear()
        async with session.response(url) as response:
            async for data in response.aiter_raw():
                received.extend(data)
                if len(received) > limit:
                    raise RefusedError(
                        f"more than {limit} bytes came from {shown(url)}; it can't be the right file: "
                        f"use another mirror"
                    )

    async with open_client(1) as client:
        session = Session(client)
        try:
            await session.persist(url, attempt, lambda: 0)
        except RefusedError as refused:
            return Failure(name=_name(url), reason=str(refused), gone=refused.gone)
    return bytes(received)


def _name(url: str) -> str:
    return shown(url).strip("'/").rpartition("/")[2]
