"""Files by hash over HTTP into the store, in parallel; small unhashed files into memory.

`httpx` and asyncio are imported only when something is really fetched: a warm build pays nothing for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from builder.errors import GoneError, NetworkError
from builder.packages.store import Store
from builder.progress import Progress


@dataclass(frozen=True, slots=True)
class Download:
    """A file whose size in bytes and hash are known before it is asked for."""

    url: str
    """http or https; `user:password@` in it works and is never shown."""
    sha256: str
    size: int
    name: str
    """What people know it by: `libc6_2.41-12_amd64.deb`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    name: str
    reason: str
    gone: bool = False
    """The server answered that it has no such file (404, 410)."""


LOCK_AGAIN = "; lock again to take what the mirror has now"


def fetch(
    store: Store,
    downloads: Sequence[Download],
    progress: Progress,
    *,
    workers: int = 6,
    offline: bool = False,
) -> None:
    """Brings every file into the store that is not there yet; all that can be fetched is, whatever fails.

    Broken transfers go on where they stopped, after a kill too. Several processes share the work.
    Raises `GoneError` where all failures are missing files, else `NetworkError`, with a line for each file.
    Ctrl-C ends it at once and leaves no thread behind.
    """
    wanted = {download.sha256: download for download in downloads}
    missing = [download for sha256, download in wanted.items() if not store.has(sha256)]
    if not missing:
        return
    if offline:
        names = ", ".join(download.name for download in missing)
        raise NetworkError(
            f"offline, and the store '{store.root}' lacks {len(missing)} of {len(wanted)} files: {names}; "
            f"run once without --offline"
        )
    from builder.packages.transfer import fetch_all  # noqa: PLC0415 - 0.2 s

    progress.expect(len(missing), sum(download.size for download in missing))
    failures = fetch_all(store, missing, progress, workers)
    if failures:
        kind = GoneError if all(failure.gone for failure in failures) else NetworkError
        raise kind("\n".join(_line(failure) for failure in failures))


def _line(failure: Failure) -> str:
    return f"{failure.name}: {failure.reason}{LOCK_AGAIN if failure.gone else ''}"


def get(url: str, *, limit: int) -> bytes:
    """A small file that has no hash yet (a signed index), at most `limit` bytes.

    Raises `GoneError` for 404 and 410, else `NetworkError`.
    """
    from builder.packages.transfer import get_small  # noqa: PLC0415 - 0.2 s

    answer = get_small(url, limit)
    if isinstance(answer, Failure):
        raise (GoneError if answer.gone else NetworkError)(f"{answer.name}: {answer.reason}")
    return answer


def shown(url: str) -> str:
    """The URL without what may be secret: user, password, query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a malformed URL"
    return f"'{urlunsplit((parts.scheme, parts.netloc.rpartition('@')[2], parts.path, '', ''))}'"
