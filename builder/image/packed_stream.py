"""A compressed layer, read forwards: decompressed and hashed ahead of who looks at it."""

import hashlib

from builder.errors import ArchiveError
from builder.image.ahead import ahead
from builder.image.hashing import Hashing
from builder.image.streams import HARMLESS, RATIO, Packing, Span, hashed, unpacked


class PackedStream:
    """A layer's tar, read forwards; `finish()` reads what is left and tells both digests. A context manager.

    Raises `ArchiveError` where the blob is damaged, or the tar becomes endlessly larger than it.
    """

    def __init__(self, span: Span, packing: Packing, hashing: Hashing) -> None:
        self._span = span
        self._hashing = hashing
        self._limit = max(HARMLESS, RATIO * span.size)
        self._passed = 0
        self._plain = hashlib.sha256()
        self._pieces = ahead(hashed(ahead(unpacked(span, packing)), self._plain))
        self._piece = b""
        self._at = 0

    def __enter__(self) -> "PackedStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only where the next piece begins; empty at the end."""
        at = self._at
        if at == len(self._piece):
            if not self._advance():
                return b""
            at = 0
        data = self._piece[at : at + size] if size >= 0 else self._piece[at:]
        self._at = at + len(data)
        return data

    def skip(self, size: int) -> int:
        """Passes over up to `size` bytes; tells how many, 0 only at the end."""
        if self._at == len(self._piece) and not self._advance():
            return 0
        passed = min(size, len(self._piece) - self._at)
        self._at += passed
        return passed

    def _advance(self) -> bool:
        self._piece, self._at = next(self._pieces, b""), 0
        self._passed += len(self._piece)
        if self._passed > self._limit:
            raise ArchiveError(
                f"{self._span.problem_prefix}: unpacks to more than {self._limit} bytes "
                f"though it has only {self._span.size}, as no layer does that serves a purpose"
            )
        return bool(self._piece)

    def finish(self) -> tuple[str, str]:
        """`sha256:...` of the blob, and of the tar."""
        while self._advance():
            pass
        return self._hashing.digest(self._span), f"sha256:{self._plain.hexdigest()}"

    def close(self) -> None:
        self._pieces.close()
