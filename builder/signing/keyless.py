"""Signs as who one is: a certificate of minutes for a key that is thrown away, a time stamp and a log entry.

Certificates, keys and proofs are the library's (`sigstore`), and so are the requests. These know no time
limit and fail in many ways, so each runs beside us, so long and no longer, and its failure gets plain words.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from builder.packages.session import RefusedError
from builder.registry.client import Registry
from builder.registry.push import Document, Pushing, Subjects
from builder.signing import bundles
from builder.signing.bundles import Bundled
from builder.signing.identity import ByIdentity, Identity, identity_of
from builder.signing.trust import Instance
from builder.signing.verifying import DistrustError, plain

if TYPE_CHECKING:
    import requests
    from sigstore.oidc import IdentityToken
    from sigstore.sign import Signer

LONGEST = 60.0
"""Seconds for an answer: a log of the newer kind answers when the entry is in, every few seconds."""
AT_ONCE = 8
"""Statements that are being signed."""

EXPIRED = {
    "ExpiredCertificate": "the certificate ran out before all was signed; run it again",
    "ExpiredIdentity": "the identity token ran out; run it again with a fresh one",
}
"""The library's exceptions without words, by their names: their classes are nothing public."""

T = TypeVar("T")


class Keyless:
    """Signs all before anything is sent: certificates run out while layers travel."""

    def __init__(self, token: "IdentityToken", instance: Instance) -> None:
        self._token, self._instance = token, instance
        self._judge = ByIdentity(None, instance.root)
        self._fresh: dict[str, list[Bundled]] = {}
        self._who: Identity | None = None
        self._slots = asyncio.Semaphore(AT_ONCE)

    @property
    def identity(self) -> str | None:
        return str(self._who) if self._who else None

    async def prepare(self, registry: Registry, subjects: Subjects) -> None:
        """Raises `RefusedError` where nobody vouches for the token or the signatures."""
        name = f"{registry.reference.host}/{registry.reference.repository}"
        wanted = {
            subject.digest: (bundles.signed_statement(name, subject.digest), *statements)
            for subject, statements in subjects
        }
        said = {digest: self._said(await bundles.there(registry, digest)) for digest in wanted}
        signer = await self.certified()
        first = await self.signed(signer, wanted[subjects[0][0].digest][0])
        for digest, statements in wanted.items():
            lacking = [one for one in statements if (self._who, one) not in said[digest]]
            made = await asyncio.gather(
                *(self.signed(signer, one) for one in lacking if one != first.statement)
            )
            self._fresh[digest] = [*([first] if first.statement in lacking else []), *made]

    async def seal(self, pushing: Pushing, subject: Document) -> None:
        for made in self._fresh[subject.digest]:
            await bundles.attach(pushing, subject, made)

    def _said(self, there: Sequence[bytes]) -> set[tuple[Identity, bytes]]:
        """What each has said of an image before, as this instance vouches for."""
        found = set()
        for bundle in there:
            try:
                found.add(self._judge.known(bundle))
            except DistrustError:
                continue
        return found

    async def certified(self) -> "Signer":
        from sigstore.sign import Signer, SigningContext  # noqa: PLC0415 - slow

        services = self._instance.services
        authority = services.get_fulcio()
        context = SigningContext(
            fulcio=authority,
            rekor=services.get_tlogs()[0],
            trusted_root=self._instance.root,
            tsa_clients=services.get_tsas(),
        )
        return await within(
            f"the certificate authority '{authority.url}'", lambda: Signer(self._token, context)
        )

    async def signed(self, signer: "Signer", statement: bytes) -> Bundled:
        from sigstore.dsse import Statement  # noqa: PLC0415 - slow

        [log, *_] = self._instance.services.get_tlogs()
        place = f"the transparency log '{getattr(log, 'url', '')}'"
        async with self._slots:
            made = await within(place, lambda: signer.sign_dsse(Statement(statement)))
        bundle = made.to_json().encode()
        self._who = identity_of(made.signing_certificate)
        try:
            self._judge.known(bundle)
        except DistrustError as problem:
            raise RefusedError(
                f"what {self._who} signed doesn't verify: {problem}; "
                "do the trusted root and the signing config belong together?"
            ) from None
        return Bundled(statement=statement, bundle=bundle)


async def within(place: str, work: Callable[[], T]) -> T:
    """What a service answers. Raises `RefusedError` that names it.

    On a thread that doesn't keep the program from ending: a request that hangs can't be called back.
    """
    answer: Future[T] = Future()
    heard = _Heard()

    def run() -> None:
        answer.set_running_or_notify_cancel()  # from here on nobody else may settle it
        try:
            answer.set_result(work())
        except BaseException as error:  # raised where the answer is awaited
            answer.set_exception(error)

    logger = logging.getLogger("sigstore")
    logger.addHandler(heard)
    try:
        threading.Thread(target=run, daemon=True).start()
        return await asyncio.wait_for(asyncio.wrap_future(answer), LONGEST)
    except TimeoutError:
        raise RefusedError(f"{place} hasn't answered in {LONGEST:g} seconds") from None
    except Exception as error:
        raise RefusedError(in_words(error, place, heard.lines)) from error
    finally:
        logger.removeHandler(heard)


class _Heard(logging.Handler):
    """What the library only warns of, and would else print."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def in_words(error: BaseException, place: str, heard: Sequence[str]) -> str:
    """What a service said, or why it said nothing."""
    from sigstore.models import InvalidBundle  # noqa: PLC0415 - slow

    if said := EXPIRED.get(type(error).__name__):
        return said
    if isinstance(error, InvalidBundle):
        return "; ".join(["nothing says when it was signed", *map(_warned, heard)])
    below: BaseException | None = error
    while below is not None:
        if said := _transported(below):
            return f"{place} {said}"
        below = below.__cause__ or below.__context__
    return f"{place}: {plain(error)}"


def _transported(error: BaseException) -> str:
    """Of an exception of the library's own client; empty for others."""
    import requests  # noqa: PLC0415 - only where the library is

    match error:
        case requests.HTTPError(response=requests.Response() as answer):
            return _answered(answer)
        case requests.JSONDecodeError():
            return "answers with something else than JSON"
        case requests.Timeout():
            return "hasn't answered in time"
        case requests.exceptions.SSLError():
            return "has a certificate that isn't trusted; name its authority's file by SSL_CERT_FILE"
        case requests.ConnectionError():
            return "can't be reached; check the network and its address"
    return ""


def _answered(answer: "requests.Response") -> str:
    said = f"answered {answer.status_code} {answer.reason or ''}".rstrip().lower()
    try:
        words = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return said
    return f"{said}: {' '.join(words.split())[:300].lower()}"


_TIME = re.compile(r"Unable to use (?P<url>\S+) to timestamp the bundle\. Failed with (?P<why>.*)", re.DOTALL)


def _warned(line: str) -> str:
    """Why there is no time stamp: the library goes on without."""
    if found := _TIME.fullmatch(line):
        return f"the timestamp authority '{found['url']}': {' '.join(found['why'].split())[:300].lower()}"
    return line
