"""One repository of a registry: requests that are authorised, tried again, and told in plain words.

Source: OCI distribution-spec 1.1, "API".
"""

import hashlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import httpx

from builder.packages.session import BrokenError, RefusedError, Session, in_plain_words, retry_after
from builder.registry.access import Access
from builder.registry.name import Reference

LONGEST_ANSWER = 8 << 20
"""Bytes of a manifest or an error that are read; registries stop at 4 MiB."""
CERTIFICATES = Path("/etc/docker/certs.d")
"""`HOST/*.crt`: authorities that engines trust for one registry (docker, "Verify repository client")."""

ANY_ANSWER = (200, 404)
"""Of `/v2/`: some registries have repositories only."""

Content = Callable[[], AsyncIterator[bytes]]
"""Begins anew for each attempt."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | Content | None = None
    limit: int = LONGEST_ANSWER
    into: BinaryIO | None = None
    """What a good answer is written to, from its beginning; it is kept in memory without one."""


def authorities(host: str) -> tuple[Path, ...]:
    """Certificates that are trusted for this registry besides the system's."""
    return tuple(sorted((CERTIFICATES / host).glob("*.crt")))


class Registry:
    """A host's repository, once it was reached."""

    def __init__(self, client: httpx.AsyncClient, reference: Reference, access: Access) -> None:
        self._client, self.reference, self._access = client, reference, access
        self.session = Session(client)
        self.base = f"https://{reference.host}"

    def url(self, path: str) -> str:
        return f"{self.base}/v2/{self.reference.repository}/{path}"

    async def reach(self) -> None:
        """Also finds out whether it speaks plain HTTP, as only a registry on this machine may."""
        if self.reference.is_near and await self._is_plain():
            self.base = f"http://{self.reference.host}"
        await self.session.persist(self.base, self._ping, lambda: 0)

    async def _is_plain(self) -> bool:
        try:
            await self._ping()
        except RefusedError:
            return False
        except BrokenError:
            try:
                await self._once(Asked("GET", f"http://{self.reference.host}/v2/"), "")
            except (BrokenError, RefusedError):
                return False
            return True
        return False

    async def _ping(self) -> None:
        await self.ask(Asked("GET", f"{self.base}/v2/"), ANY_ANSWER)

    async def manifest(self, name: str, kinds: tuple[str, ...]) -> bytes | None:
        """By tag or digest; `None` where there is none. What comes for a digest is held to it."""
        url = self.url(f"manifests/{name}")
        asked = Asked("GET", url, headers={"Accept": ", ".join(kinds)})
        answer = await self.persist(asked, (200, 404))
        if answer.status_code == 404:
            return None
        if ":" in name and digest_of(answer.content) != name:
            raise RefusedError(f"the registry sends something else for {name}")
        return answer.content

    async def blob(self, digest: str, size: int) -> bytes:
        """A small one."""
        answer = await self.persist(Asked("GET", self.url(f"blobs/{digest}"), limit=size), (200,))
        if digest_of(answer.content) != digest:
            raise RefusedError(f"the registry sends something else for {digest}")
        return answer.content

    async def save(self, digest: str, size: int, file: BinaryIO) -> None:
        """Of any size."""
        await self.persist(Asked("GET", self.url(f"blobs/{digest}"), limit=size, into=file), (200,))
        file.flush()
        file.seek(0)
        if f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" != digest:  # type: ignore[arg-type]
            raise RefusedError(f"the registry sends something else for {digest}")

    async def persist(self, asked: "Asked", fine: tuple[int, ...]) -> httpx.Response:
        """Asks again where that may help."""
        return await self.session.persist(asked.url, lambda: self.ask(asked, fine), lambda: 0)

    async def ask(self, asked: "Asked", fine: tuple[int, ...]) -> httpx.Response:
        """A good answer, whole. Raises `BrokenError` where another attempt may help, else `RefusedError`."""
        while True:
            said = self._access.header
            response = await self._once(asked, said)
            if response.status_code != 401:
                break
            await self._access.answer(response.headers.get("WWW-Authenticate", ""), said)
        self._access.taken(said)
        if response.status_code not in fine:
            _complain(response)
        return response

    async def _once(self, asked: "Asked", said: str) -> httpx.Response:
        own = is_same_origin(asked.url, self.base)
        # an upload may go on elsewhere, where our secrets have no business
        headers = {**asked.headers, "Authorization": said} if said and own else asked.headers
        body = asked.content() if callable(asked.content) else asked.content
        moves = asked.method in ("GET", "HEAD")
        try:
            request = self._client.build_request(asked.method, asked.url, headers=headers, content=body)
            response = await self._client.send(request, stream=True, follow_redirects=moves, auth=None)
            try:
                return await _read(response, asked)
            finally:
                await response.aclose()
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects) as error:
            raise RefusedError(in_plain_words(error)) from error
        except httpx.TransportError as error:
            if _is_distrust(error):
                raise RefusedError(
                    f"{in_plain_words(error)}; put its authority under {CERTIFICATES / self.reference.host}"
                ) from error
            unreachable = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)
            raise BrokenError(in_plain_words(error), unreachable=unreachable) from error


def is_same_origin(one: str, other: str) -> bool:
    """The scheme too: what was said by HTTPS is not said again in the clear."""
    first, second = httpx.URL(one), httpx.URL(other)
    return (first.scheme, first.netloc) == (second.scheme, second.netloc)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def _read(response: httpx.Response, asked: Asked) -> httpx.Response:
    data, count = bytearray(), 0
    file = asked.into if response.status_code == 200 else None
    if file is not None:
        file.seek(0)
        file.truncate()
    async for piece in response.aiter_raw():
        count += len(piece)
        if count > asked.limit:
            raise RefusedError(f"the registry answers with more than {asked.limit} bytes")
        if file is not None:
            file.write(piece)
        else:
            data.extend(piece)
    return httpx.Response(
        response.status_code, headers=response.headers, content=bytes(data), request=response.request
    )


def _is_distrust(error: BaseException) -> bool:
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLCertVerificationError):
            return True
        below = below.__cause__ or below.__context__
    return False


def _complain(response: httpx.Response) -> None:
    status = response.status_code
    said = f"the registry answered {status} {response.reason_phrase}".rstrip().lower()
    if words := _words(response.content):
        said += f": {words}"
    if status in (408, 425, 429) or status >= 500:
        raise BrokenError(said, wait=retry_after(response))
    raise RefusedError(said)


def _words(content: bytes) -> str:
    """Of the errors in an answer: `denied: requested access to the resource is denied`."""
    try:
        rows = json.loads(content)["errors"]
        found = [f"{row['code']}: {row.get('message', '')}".rstrip(": ").lower() for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    return "; ".join(found)[:300]
