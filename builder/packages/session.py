"""Asking a server: which answers count, which failures are worth another attempt, and what to call them."""

import asyncio
import os
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from netrc import NetrcParseError
from pathlib import Path
from typing import Self, TypeVar

import certifi
import httpx

from builder import __version__
from builder.errors import NetworkError
from builder.packages.download import shown

PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each further attempt; progress since the last one starts the row again."""
LONGEST_PAUSE = 30.0
"""Seconds that a server's Retry-After is honoured for."""
TIMEOUT = httpx.Timeout(30.0, connect=10.0, pool=None)

T = TypeVar("T")


class BrokenError(Exception):
    """The attempt failed, another one may not."""

    def __init__(self, reason: str, *, wait: float = 0.0, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        """Seconds that the server asked for."""
        self.unreachable = unreachable
        """No connection came about: no file of this server can be had."""

    def after(self, arrived: int, expected: int) -> Self:
        """Tells besides how far the transfer came."""
        where = f" after {arrived} of {expected} bytes" if arrived else ""
        return type(self)(f"{self}{where}", wait=self.wait, unreachable=self.unreachable)


class RefusedError(Exception):
    """No further attempt would help."""

    def __init__(self, reason: str, *, gone: bool = False) -> None:
        super().__init__(reason)
        self.gone = gone


class Session:
    """A client, and which servers can't be reached."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._netrc = _netrc()
        self._unreachable: set[str] = set()

    async def persist(self, url: str, attempt: Callable[[], Awaitable[T]], arrived: Callable[[], int]) -> T:
        """Tries until it works, with longer and longer pauses as long as no byte arrives.

        Once a server couldn't be reached in spite of all pauses, further files don't wait for it.
        """
        server = "/".join(url.split("/")[:3])
        pauses, before = list(PAUSES), arrived()
        while True:
            try:
                return await attempt()
            except BrokenError as broken:
                if arrived() > before:
                    pauses, before = list(PAUSES), arrived()
                if not pauses or (broken.unreachable and server in self._unreachable):
                    if broken.unreachable:
                        self._unreachable.add(server)
                    raise RefusedError(
                        f"{broken} ({shown(url)}); check the network and run again"
                    ) from broken
                # Jitter: many builds that one outage stopped shouldn't come back in step.
                pause = pauses.pop(0) * random.uniform(0.5, 1.0)  # noqa: S311
                await asyncio.sleep(max(broken.wait, pause))

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
            raise RefusedError(f"{in_plain_words(error)} ({shown(url)})") from error
        except httpx.TransportError as error:
            unreachable = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)
            raise BrokenError(in_plain_words(error), unreachable=unreachable) from error


def _check_status(response: httpx.Response, url: str, fine: tuple[int, ...]) -> None:
    status = response.status_code
    said = f"the server answered {status} {response.reason_phrase}".rstrip().lower()
    if status in fine:
        return
    if status in (404, 410):
        raise RefusedError(f"not found at {shown(url)} (status {status})", gone=True)
    if status in (408, 425, 429) or status >= 500:
        raise BrokenError(said, wait=retry_after(response))
    hint = "; check the credentials for this server" if status in (401, 403, 407) else ""
    raise RefusedError(f"{said} ({shown(url)}){hint}")


def retry_after(response: httpx.Response) -> float:
    """Seconds that the server asks to be left alone."""
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE) if asked.isdecimal() else 0.0


def in_plain_words(error: Exception) -> str:
    """Why a request came to nothing."""
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


def open_client(workers: int, authorities: tuple[Path, ...] = ()) -> httpx.AsyncClient:
    """`authorities` are files of certificates to trust besides the system's."""
    try:
        return httpx.AsyncClient(
            # The bytes are hashed as they travel, so no encoding but the file's own.
            headers={"User-Agent": f"temper/{__version__}", "Accept-Encoding": "identity"},
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=workers, max_keepalive_connections=workers),
            follow_redirects=True,
            verify=_certificates(
                os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""), authorities
            ),
        )
    except (OSError, ValueError, ImportError) as error:
        raise NetworkError(
            f"the environment's proxy or certificate settings can't be used: {error}; "
            f"correct HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE or SSL_CERT_DIR"
        ) from error


@cache
def _certificates(file: str, folder: str, authorities: tuple[Path, ...]) -> ssl.SSLContext:
    """The system's, where a firm's own authority would stand, and Mozilla's for systems that have none.

    Read once for the values of SSL_CERT_FILE and SSL_CERT_DIR: it takes 0.1 s.
    """
    context = ssl.create_default_context()
    if not (file or folder):
        context.load_verify_locations(certifi.where())
    for path in authorities:
        context.load_verify_locations(path)
    return context


def _netrc() -> httpx.Auth | None:
    """The user's stored credentials, as uv and pip read them."""
    try:
        return httpx.NetRCAuth(os.environ.get("NETRC"))
    except (OSError, NetrcParseError):
        return None
