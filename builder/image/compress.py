"""gzip whose bytes depend on the input and on the pinned libdeflate alone, on every CPU.

The stream is cut into members of a fixed size, concatenated as RFC 1952 (2.2) allows and as eStargz and
pigz do, so that members can be compressed on several cores and memory stays bounded.
"""

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType

import deflate

from builder.image.tar import Sink

MEMBER = 1 << 20
"""Uncompressed bytes of a member. Larger ones save under 0.1 %."""
LEVEL = 5
"""Of 12. On a Python runtime's 52 MB it is as small as zlib's default in a sixth of the time."""
THREADS = 2


def recipe() -> str:
    """Everything besides the input that the output depends on."""
    return f"deflate {deflate.__version__} level {LEVEL} member {MEMBER}"


def _compress(member: bytes) -> bytes:
    return bytes(deflate.gzip_compress(member, LEVEL))


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A compressed layer as it stands in a layout."""

    digest: str
    """`sha256:...` of the compressed bytes."""
    diff_id: str
    """`sha256:...` of the uncompressed tar."""
    size: int
    """Compressed bytes."""
    plain: int = field(default=0, compare=False)
    """Uncompressed bytes; 0 where nobody counted them."""


class Gzip:
    """Compresses what is written to it into `out`; `finish()` tells what came out.

    A context manager, so that no thread outlives a failure.
    """

    def __init__(self, out: Sink) -> None:
        self._out = out
        self._buffer = bytearray()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="gzip")
        self._pending: deque[Future[bytes]] = deque()
        self._plain = hashlib.sha256()
        self._packed = hashlib.sha256()
        self._size = 0
        self._plain_size = 0

    def __enter__(self) -> "Gzip":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def write(self, data: bytes, /) -> int:
        self._buffer += data
        while len(self._buffer) >= MEMBER:
            self._submit(bytes(memoryview(self._buffer)[:MEMBER]))
            del self._buffer[:MEMBER]
        return len(data)

    def finish(self) -> Blob:
        if self._buffer or not self._size + len(self._pending):
            self._submit(bytes(self._buffer))
            self._buffer.clear()
        while self._pending:
            self._collect()
        return Blob(
            digest=f"sha256:{self._packed.hexdigest()}",
            diff_id=f"sha256:{self._plain.hexdigest()}",
            size=self._size,
            plain=self._plain_size,
        )

    def _submit(self, member: bytes) -> None:
        self._pending.append(self._pool.submit(_compress, member))
        self._plain.update(member)
        self._plain_size += len(member)
        if len(self._pending) > 2 * THREADS:
            self._collect()

    def _collect(self) -> None:
        packed = self._pending.popleft().result()
        self._packed.update(packed)
        self._size += len(packed)
        self._out.write(packed)
