"""The content-addressed store: blobs by sha256, small derived records, locks between processes.

Nothing in it is ever written in place. A file is written under `temp/` or `parts/` and renamed when it is
whole, so a killed process leaves nothing half-made under its final name. The store is a cache: all of it may
be deleted at any time.

    blobs/sha256/<hex>   parts/<hex>.part   records/<kind>/<key>   temp/   locks/<name>
"""

import errno
import fcntl
import hashlib
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from builder.errors import StoreError

STALE_TEMP = 3600
"""Seconds before an unlocked temporary file is swept: its writer had time to lock it."""
POLL, LONGEST_POLL = 0.002, 0.05
"""Seconds between two looks at a lock that another process holds."""
STALE_PART = 7 * 24 * 3600
"""Seconds before an unlocked partial download is given up."""

WRITTEN = 1 << 17
"""Bytes that are written at once: a MiB at once took Linux 6.18 on ext4 up to five times as long."""

_GIVEN_UP = threading.Event()
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+~-]{0,199}")


@contextmanager
def plain_errors(root: Path, path: Path) -> Iterator[None]:
    """Turns an `OSError` on the store's own files into a `StoreError`. Wrap no code of a caller in it."""
    try:
        yield
    except OSError as error:
        raise StoreError(_in_plain_words(root, path, error)) from error


def _in_plain_words(root: Path, path: Path, error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"no space left on the disk that holds '{root}'; free some room and run again"
        case errno.EACCES | errno.EPERM:
            return f"'{path}': permission denied; set TEMPER_STORE to a folder that you may write to"
        case errno.EROFS:
            return f"'{path}': the disk is read-only; set TEMPER_STORE to a folder that you may write to"
        case errno.ENOTDIR | errno.EEXIST:
            return f"'{path}': a file stands where the store needs a folder; remove it or set TEMPER_STORE"
        case _:
            reason = (error.strerror or str(error)).lower()
            return f"'{path}': {reason}; check the disk, or set TEMPER_STORE to a folder elsewhere"


class Writer:
    """A blob on its way into the store; what was written counts only when `Store.writer()` ends well."""

    def __init__(self, store: "Store", path: Path, file: BinaryIO) -> None:
        self._store, self._path, self._file = store, path, file
        self._hash = hashlib.sha256()
        self.size = 0
        """Bytes written so far: the offset of what is written next."""

    @property
    def sha256(self) -> str:
        """Of what was written so far, hex."""
        return self._hash.hexdigest()

    @contextmanager
    def read_back(self) -> Iterator[BinaryIO]:
        """What was written so far."""
        with plain_errors(self._store.root, self._path):
            self._file.flush()
            file = self._path.open("rb")
        with file:
            yield file

    def write(self, data: bytes | bytearray | memoryview) -> int:
        view = memoryview(data).cast("B")
        with plain_errors(self._store.root, self._path):
            for start in range(0, view.nbytes, WRITTEN):
                self._file.write(view[start : start + WRITTEN])
        self._hash.update(view)
        self.size += view.nbytes
        return view.nbytes


@dataclass(frozen=True, slots=True)
class Store:
    """Opening it makes its folders and sweeps what killed processes left.

    Every method may raise `StoreError`; a digest or name of the wrong form is a bug, and a `ValueError`.
    """

    root: Path

    def __post_init__(self) -> None:
        with plain_errors(self.root, self.root):
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A blob is hashed once and then believed: nobody else may be able to plant one.
            if self.root.stat().st_mode & stat.S_IWOTH:
                raise StoreError(
                    f"'{self.root}': everybody may write to this store; "
                    f"set TEMPER_STORE to a folder of your own, or run `chmod o-w` on it"
                )
            for folder in ("blobs/sha256", "parts", "records", "temp", "locks"):
                (self.root / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
            _sweep(self.root / "temp", STALE_TEMP)
            _sweep(self.root / "parts", STALE_PART)

    @classmethod
    def default(cls) -> "Store":
        """`$TEMPER_STORE`, else `$XDG_CACHE_HOME/temper`, else `~/.cache/temper`."""
        if chosen := os.environ.get("TEMPER_STORE"):
            return cls(_expanded(chosen).absolute())
        cache = os.environ.get("XDG_CACHE_HOME", "")
        # The XDG base directory specification has relative paths ignored.
        return cls((Path(cache) if cache.startswith("/") else _expanded("~/.cache")) / "temper")

    def blob(self, sha256: str) -> Path:
        """Where the blob lies, or would lie."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"not a sha256 in lower-case hex: {sha256!r}")
        return self.root / "blobs" / "sha256" / sha256

    def has(self, sha256: str) -> bool:
        """Whether the blob is there and untouched since it was verified.

        A touched one is hashed again: it is believed again, or removed and counts as absent.
        """
        path = self.blob(sha256)
        with plain_errors(self.root, path):
            try:
                return _is_marked(path.stat()) or self._believe_again(path, sha256)
            except FileNotFoundError:
                return False

    def _believe_again(self, path: Path, sha256: str) -> bool:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                with suppress(OSError):  # a store that others own is hashed every time
                    _mark(file.fileno(), os.fstat(file.fileno()).st_size)
                return True
            # Another process may have put a sound file there in the meantime: that one stays.
            with self.lock("blobs"):
                if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                    path.unlink()
                    return False
        return self.has(sha256)

    def distrust(self, sha256: str) -> None:
        """Has the blob hashed again at the next `has()`: for readers that met damage inside it."""
        path = self.blob(sha256)
        with plain_errors(self.root, path), suppress(FileNotFoundError):
            os.utime(path)

    def put(self, data: bytes) -> str:
        """Stores the bytes and returns their sha256."""
        sha256 = hashlib.sha256(data).hexdigest()
        if not self.has(sha256):
            with self.writer() as writer:
                writer.write(data)
        return sha256

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """A blob written in pieces: stored when the block ends well, gone when it doesn't.

        with store.writer() as writer:
            writer.write(...)
        path = store.blob(writer.sha256)
        """
        with self._temporary() as (path, file):
            writer = Writer(self, path, file)
            yield writer
            with plain_errors(self.root, path):
                file.flush()
            self.adopt(path, writer.sha256)

    def adopt(self, path: Path, sha256: str) -> None:
        """Moves a file of this store in as a blob. The caller has hashed it and writes to it no more."""
        target = self.blob(sha256)
        with plain_errors(self.root, target):
            status = path.stat()
            path.chmod(stat.S_IMODE(status.st_mode) & ~0o222)  # layouts share it by hard links
            _mark(path, status.st_size)
            with self.lock("blobs"):
                path.replace(target)

    def record(self, kind: str, key: str) -> bytes | None:
        """A derived record; `None` where there is none, or a damaged one."""
        path = self._record_path(kind, key)
        with plain_errors(self.root, path):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                return None
        checksum, _, data = content.partition(b"\n")
        return data if checksum == _checksum(kind, key, data) else None

    def write_record(self, kind: str, key: str, data: bytes) -> None:
        """Replaces the record as a whole; the last of several writers wins."""
        target = self._record_path(kind, key)
        with self._temporary() as (path, file), plain_errors(self.root, target):
            file.write(_checksum(kind, key, data) + b"\n")
            file.write(data)
            file.flush()
            target.parent.mkdir(mode=0o700, exist_ok=True)
            path.replace(target)

    def _record_path(self, kind: str, key: str) -> Path:
        return self.root / "records" / _plain_name(kind) / _plain_name(key)

    @contextmanager
    def lock(self, name: str, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """One holder among all threads and processes; a killed process holds nothing.

        `waiting` is called where there is another holder to wait for.
        """
        path = self.root / "locks" / _plain_name(name)
        with plain_errors(self.root, path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not self._taken(path, descriptor):
                waiting()
                pause = POLL
                while not self._taken(path, descriptor):
                    self._stay_for(path)
                    time.sleep(pause)
                    pause = min(2 * pause, LONGEST_POLL)
            yield
        finally:
            os.close(descriptor)

    def _stay_for(self, path: Path) -> None:
        """A thread that sleeps in the kernel can't be told that nobody wants its result any more."""
        if _GIVEN_UP.is_set() or not threading.main_thread().is_alive():
            raise StoreError(f"'{path}': interrupted while waiting for another process")

    def _taken(self, path: Path, descriptor: int) -> bool:
        with plain_errors(self.root, path):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    @contextmanager
    def scratch(self) -> Iterator[tuple[Path, BinaryIO]]:
        """A file for the time of the block; what a killed process leaves is swept."""
        with self._temporary() as opened:
            yield opened

    @contextmanager
    def _temporary(self) -> Iterator[tuple[Path, BinaryIO]]:
        """A new file, locked as long as it is written to and removed unless it was renamed."""
        path = self.root / "temp" / f"{os.getpid()}-{os.urandom(8).hex()}"
        file: BinaryIO | None = None
        try:  # from before it is there: Ctrl-C may come at any moment
            with plain_errors(self.root, path):
                file = path.open("xb", buffering=1 << 18)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield path, file
        finally:
            with suppress(OSError):  # a full disk fails again on the bytes that are still in the buffer
                if file is not None:
                    file.close()
            with suppress(OSError):
                path.unlink(missing_ok=True)


def give_up() -> None:
    """Ends the waiting of all other threads for locks: the process is about to end."""
    _GIVEN_UP.set()


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise StoreError("no home folder is known for this user; set TEMPER_STORE to a folder") from None


def _plain_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name for a record or lock: {name!r}")
    return name


def _checksum(kind: str, key: str, data: bytes) -> bytes:
    return hashlib.sha256(f"{kind}\0{key}\0".encode() + data).hexdigest().encode()


def _verified_at(size: int) -> int:
    """The modification time, in nanoseconds, that says `verified at this size`.

    Any write replaces it by the present, and a crash of the machine that keeps the time but loses the data
    changes the size. Whole seconds below 2**31: every file system keeps them.
    """
    return (500_000_000 + size % 2**29) * 1_000_000_000


def _is_marked(status: os.stat_result) -> bool:
    return status.st_mtime_ns == _verified_at(status.st_size)


def _mark(file: Path | int, size: int) -> None:
    os.utime(file, ns=(time.time_ns(), _verified_at(size)))


def _sweep(folder: Path, stale: float) -> None:
    """Removes old files that no living process holds locked."""
    for path in folder.iterdir():
        with suppress(OSError):  # in use, swept by somebody else, or the store is read-only
            if path.stat().st_mtime < time.time() - stale:
                _remove_unlocked(path)


def _remove_unlocked(path: Path) -> None:
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
            path.unlink()
