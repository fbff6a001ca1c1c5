"""A partial download on disk: kept over a kill, held by one process at a time."""

import fcntl
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from builder.packages.store import Store, plain_errors


class Part:
    """A partial download, locked: what has arrived so far and its hash."""

    def __init__(self, store: Store, path: Path, descriptor: int) -> None:
        self.path = path
        self._store = store
        self._file = os.fdopen(descriptor, "r+b", buffering=1 << 18)
        self._hash = hashlib.sha256()
        self.size = 0

    @classmethod
    def take(cls, store: Store, sha256: str) -> Self | None:
        """`None` while another process has it."""
        path = store.root / "parts" / f"{sha256}.part"
        with plain_errors(store.root, path):
            part = cls(
                store, path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            )
            if part._locked():
                return part
            part.close()
            return None

    def _locked(self) -> bool:
        """Whether the lock is ours and the file is still the one that its name means."""
        with suppress(BlockingIOError, FileNotFoundError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.fstat(self._file.fileno()).st_ino == self.path.stat().st_ino
        return False

    def read_back(self) -> None:
        """Hashes what an earlier run left."""
        with plain_errors(self._store.root, self.path):
            while block := self._file.read(1 << 20):
                self._hash.update(block)
                self.size += len(block)

    def append(self, data: bytes) -> None:
        with plain_errors(self._store.root, self.path):
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def reset(self) -> None:
        with plain_errors(self._store.root, self.path):
            self._file.seek(0)
            self._file.truncate()
        self._hash = hashlib.sha256()
        self.size = 0

    def finish(self) -> str:
        """The sha256 of all that arrived; every byte of it is in the file."""
        with plain_errors(self._store.root, self.path):
            self._file.flush()
        return self._hash.hexdigest()

    def discard(self) -> None:
        with plain_errors(self._store.root, self.path):
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        with suppress(OSError):  # a full disk fails again on the bytes that are still in the buffer
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
