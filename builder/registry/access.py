"""Answers a registry's challenge: with credentials, or with a token that another server gives for them."""

import asyncio
import base64

import httpx

from builder.packages.download import shown
from builder.packages.session import RefusedError
from builder.registry.challenge import Challenge, parse_challenges
from builder.registry.credentials import Credentials
from builder.registry.name import Reference, is_loopback


class Access:
    """What requests to one repository say about who asks."""

    def __init__(
        self, client: httpx.AsyncClient, reference: Reference, credentials: Credentials | None
    ) -> None:
        self._client, self._reference, self._credentials = client, reference, credentials
        self._lock = asyncio.Lock()
        self._was_taken = False
        self.header = ""
        """Empty until the registry asked."""

    def taken(self, header: str) -> None:
        """A request that said so was answered."""
        self._was_taken = self._was_taken or (bool(header) and header == self.header)

    async def answer(self, challenge: str, said: str) -> None:
        """Another header, after the registry refused the one that was `said`.

        A token that worked before has run out, and is renewed. Raises `RefusedError` where nothing helps.
        """
        async with self._lock:
            if said != self.header:  # somebody else has answered in the meantime
                return
            if self.header and not self._was_taken:
                raise RefusedError(
                    f"the registry doesn't know {self._who}; run `docker login {self._reference.host}`"
                )
            self._was_taken = False
            self.header = await self._answered(parse_challenges(challenge))

    @property
    def _who(self) -> str:
        return f"user '{self._credentials.user}'" if self._credentials and self._credentials.user else "you"

    async def _answered(self, challenges: tuple[Challenge, ...]) -> str:
        for challenge in challenges:
            if challenge.scheme == "bearer":
                return f"Bearer {await self._token(challenge)}"
            if challenge.scheme == "basic":
                known = self._known()
                return f"Basic {base64.b64encode(f'{known.user}:{known.secret}'.encode()).decode()}"
        raise RefusedError("the registry asks who you are in a way that is neither Basic nor Bearer")

    def _known(self) -> Credentials:
        if self._credentials is None:
            host = self._reference.host
            raise RefusedError(
                "the registry asks who you are, and Docker's configuration doesn't say; "
                f"run `docker login {host}`"
            )
        return self._credentials

    async def _token(self, challenge: Challenge) -> str:
        if not _is_safe(challenge.realm):
            raise RefusedError(
                f"the registry sends credentials to {shown(challenge.realm)}, which is not encrypted"
            )
        scope = f"repository:{self._reference.repository}:pull,push"
        asked = {"service": challenge.service, "scope": scope}
        known = self._credentials
        try:
            if known is not None and known.is_token:
                form = {
                    **asked,
                    "grant_type": "refresh_token",
                    "client_id": "temper",
                    "refresh_token": known.secret,
                }
                response = await self._client.post(challenge.realm, data=form, follow_redirects=False)
            else:
                auth = (known.user, known.secret) if known is not None else None
                response = await self._client.get(
                    challenge.realm, params=asked, auth=auth, follow_redirects=False
                )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RefusedError(f"no token came from {shown(challenge.realm)}: {error}") from error
        if response.status_code in (401, 403):
            self._known()
            raise RefusedError(
                f"the registry doesn't know {self._who}; run `docker login {self._reference.host}`"
            )
        return _token_of(response, challenge.realm)


def _token_of(response: httpx.Response, realm: str) -> str:
    try:
        answer = response.json() if response.status_code == 200 else {}
        token = answer.get("token") or answer.get("access_token") or ""
    except (ValueError, AttributeError):
        token = ""
    if not isinstance(token, str) or not token.isascii() or not token:
        raise RefusedError(f"no token came from {shown(realm)}: it answered {response.status_code}")
    return token


def _is_safe(realm: str) -> bool:
    try:
        url = httpx.URL(realm)
    except httpx.InvalidURL:
        return False
    return url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host))
