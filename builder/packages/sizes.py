"""What a server has and how large it is, asked without fetching it."""

import asyncio
from collections.abc import Sequence

from builder.errors import NetworkError
from builder.packages.session import BrokenError, RefusedError, Session, open_client

WORKERS = 8


def sizes_of(urls: Sequence[str]) -> list[int]:
    """Bytes, in the order of the URLs. Raises `NetworkError` for all that can't be learnt."""
    answers = asyncio.run(_sizes_of(urls))
    problems = [str(answer) for answer in answers if isinstance(answer, RefusedError)]
    if problems:
        raise NetworkError("\n".join(problems))
    return [answer for answer in answers if isinstance(answer, int)]


def lacking(urls: Sequence[str]) -> list[str]:
    """Those that their server hasn't got. Raises `NetworkError` where a server can't be asked."""
    answers = asyncio.run(_sizes_of(urls))
    problems = [str(one) for one in answers if isinstance(one, RefusedError) and not one.gone]
    if problems:
        raise NetworkError("\n".join(problems))
    return [url for url, one in zip(urls, answers, strict=True) if isinstance(one, RefusedError)]


async def _sizes_of(urls: Sequence[str]) -> list[int | RefusedError]:
    slots = asyncio.Semaphore(WORKERS)
    async with open_client(WORKERS) as client:
        session = Session(client)
        return await asyncio.gather(*(_size_of(url, session, slots) for url in urls))


async def _size_of(url: str, session: Session, slots: asyncio.Semaphore) -> int | RefusedError:
    """From the head of an ordinary answer: servers of files that answer HEAD wrongly are many."""

    async def attempt() -> int:
        async with session.response(url) as response:
            length = response.headers.get("Content-Length", "")
            if not length.isdecimal():
                raise BrokenError("the server doesn't tell the file's size")
            return int(length)

    async with slots:
        try:
            return await session.persist(url, attempt, lambda: 0)
        except RefusedError as error:
            return error
