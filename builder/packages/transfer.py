"""One file over HTTP: resumed, retried, capped in size and checked against its hash.

asyncio rather than threads: cancelling a blocked read is safe at any moment, so Ctrl-C leaves nothing behind.
"""

import asyncio
import os
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from netrc import NetrcParseError
from typing import TypeVar

import certifi
import httpx

from builder import __version__
from builder.errors import NetworkError
from builder.packages.download import Download, Failure, shown
from builder.packages.part import Part
from builder.packages.store import Store
from builder.progress import Progress

PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each further attempt; progress since the last one starts the row again."""
LONGEST_PAUSE = 30.0
"""Seconds that a server's Retry-After is honoured for."""
TIMEOUT = httpx.Timeout(30.0, connect=10.0, pool=None)
POLL = 0.1
"""Seconds between looks at a file that another process is fetching."""

T = TypeVar("T")


class BrokenError(Exception):
    """The attempt failed, another one may not. `wait`: seconds that the server asked for."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class RefusedError(Exception):
    """No further attempt would help."""

    def __init__(self, reason: str, *, gone: bool = False) -> None:
        super().__init__(reason)
        self.gone = gone


class Session:
    """A client, and which servers have been given up."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._netrc = _netrc()
        self._silent: set[str] = set()

    async def persist(self, url: str, attempt: Callable[[], Awaitable[T]], arrived: Callable[[], int]) -> T:
        """Tries until it works, with longer and longer pauses as long as no byte arrives.

        Once a server has failed for one file in spite of all pauses, the others don't wait for it as long.
        """
        server = "/".join(url.split("/")[:3])
        pauses, before = list(PAUSES), arrived()
        while True:
            try:
                return await attempt()
            except BrokenError as broken:
                if arrived() > before:
                    pauses = list(PAUSES)
                if not pauses or server in self._silent:
                    self._silent.add(server)
                    raise RefusedError(
                        f"{broken} ({shown(url)}); check the network and run again"
                    ) from broken
                pause, before = pauses.pop(0), arrived()
                # Jitter: many builds that one outage stopped shouldn't come back in step.
                await asyncio.sleep(max(broken.wait, pause * random.uniform(0.5, 1.0)))  # noqa: S311

    @asynccontextmanager
    async def response(self, url: str, start: int = 0) -> AsyncIterator[httpx.Response]:
        """A good answer, whose body may still break; raises `BrokenError` or `RefusedError`."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            auth = None if httpx.URL(url).userinfo else self._netrc
            async with self._client.stream("GET", url, headers=headers, auth=auth) as response:
                _check_status(response, url, (200, 206, 416) if start else (200,))
                yield response
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects) as error:
            raise RefusedError(f"{_in_plain_words(error)} ({shown(url)})") from error
        except httpx.TransportError as error:
            raise BrokenError(_in_plain_words(error)) from error


def _check_status(response: httpx.Response, url: str, fine: tuple[int, ...]) -> None:
    status = response.status_code
    said = f"the server answered {status} {response.reason_phrase}".rstrip().lower()
    if status in fine:
        return
    if status in (404, 410):
        raise RefusedError(f"not found at {shown(url)} (status {status})", gone=True)
    if status in (408, 425, 429) or status >= 500:
        raise BrokenError(said, wait=_retry_after(response))
    hint = "; check the credentials for this server" if status in (401, 403, 407) else ""
    raise RefusedError(f"{said} ({shown(url)}){hint}")


def _retry_after(response: httpx.Response) -> float:
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE) if asked.isdecimal() else 0.0


def _in_plain_words(error: Exception) -> str:
    match error:
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return "not an http or https URL"
        case httpx.TooManyRedirects():
            return "the server redirects in a circle"
        case httpx.TimeoutException():
            return "the server is silent"
        case httpx.ProxyError():
            return f"the proxy refused the connection: {error}"
        case httpx.ConnectError():
            return f"no connection: {_cause(error)}"
        case _:
            return "the connection broke"


def _cause(error: BaseException) -> str:
    """The operating system's words, from below what asyncio and httpx wrapped around them."""
    below: BaseException | None = error
    said = str(error)
    while below is not None:
        if isinstance(below, OSError) and below.strerror:
            # asyncio puts addresses where the words should be; ssl and getaddrinfo have better ones.
            plain = type(below).__module__ == "builtins" and below.errno
            said = os.strerror(plain) if plain else below.strerror
        if isinstance(below, ExceptionGroup):
            below = below.exceptions[0]
        else:
            below = below.__cause__ or below.__context__
    return said.lower()


async def fetch_all(
    store: Store, downloads: Sequence[Download], progress: Progress, workers: int
) -> list[Failure]:
    """The failures, in the order of the downloads. Raises `StoreError` at once: the others are stopped."""
    async with _client(workers) as client:
        fetching = Fetching(store, progress, Session(client), asyncio.Semaphore(workers))
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(fetching.one(download)) for download in downloads]
        except BaseExceptionGroup as problems:
            raise problems.exceptions[0] from None
    return [failure for task in tasks if (failure := task.result())]


def _client(workers: int) -> httpx.AsyncClient:
    try:
        return httpx.AsyncClient(
            # The bytes are hashed as they travel, so no encoding but the file's own.
            headers={"User-Agent": f"temper/{__version__}", "Accept-Encoding": "identity"},
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=workers, max_keepalive_connections=workers),
            follow_redirects=True,
            verify=_certificates(),
        )
    except (OSError, ValueError, ImportError) as error:
        raise NetworkError(
            f"the environment's proxy or certificate settings can't be used: {error}; "
            f"correct HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE or SSL_CERT_DIR"
        ) from error


def _certificates() -> ssl.SSLContext:
    """The system's, where a firm's own authority would stand, and Mozilla's for systems that have none."""
    context = ssl.create_default_context()
    if not (os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")):
        context.load_verify_locations(certifi.where())
    return context


def _netrc() -> httpx.Auth | None:
    """The user's stored credentials, as uv and pip read them."""
    try:
        return httpx.NetRCAuth(os.environ.get("NETRC"))
    except (OSError, NetrcParseError):
        return None


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
            where = f" after {part.size} of {download.size} bytes" if part.size else ""
            raise BrokenError(f"{broken}{where}", broken.wait) from broken
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


async def get_small(url: str, limit: int) -> bytes | Failure:
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

    async with _client(1) as client:
        session = Session(client)
        try:
            await session.persist(url, attempt, lambda: 0)
        except RefusedError as refused:
            return Failure(name=_name(url), reason=str(refused), gone=refused.gone)
    return bytes(received)


def _name(url: str) -> str:
    return shown(url).strip("'/").rpartition("/")[2]
