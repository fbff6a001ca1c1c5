"""A bundle as a file: a plain tar that holds its manifest first, then every blob that this names, by hash.

It is read as strictly as it is written: each header must be, byte for byte, the one that belongs there. So no
name, link, mode or member that a hand put in is ever looked at. The same inputs give the same bytes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from builder.errors import ArchiveError, InputError
from builder.image.tar import BLOCK, CHUNK, copy_content, header
from builder.model.bundle import Bundle, BundledBlob
from builder.model.tree import Entry, Kind, Slice
from builder.packages.store import WRITTEN, Store
from builder.progress import Progress

MANIFEST = "bundle.json"
LONGEST_MANIFEST = 64 << 20
"""Bytes: a bundle of a hundred images has a tenth of it."""
END = bytes(2 * BLOCK)
_SIZE = slice(124, 136)
AGAIN = "copy it again, or bundle anew"


def manifest_text(manifest: Bundle) -> bytes:
    data = manifest.model_dump(mode="json", by_alias=True)
    return (json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def manifest_digest(manifest: Bundle) -> str:
    """By which two people know that they have the same bundle: it covers every file in it."""
    return f"sha256:{hashlib.sha256(manifest_text(manifest)).hexdigest()}"


def member_header(name: str, size: int) -> bytes:
    content = Slice(path=Path(), offset=0, size=size, sha256="")
    return header(Entry(path=name, kind=Kind.FILE, mode=0o644, content=content), 0)


def blob_header(blob: BundledBlob) -> bytes:
    return member_header(f"blobs/sha256/{blob.sha256}", blob.size)


def padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


class _Counted:
    """Tells how far the writing has come."""

    def __init__(self, file: BinaryIO, progress: Progress) -> None:
        self._file, self._progress = file, progress

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        for start in range(0, len(data), WRITTEN):
            self._file.write(view[start : start + WRITTEN])
        self._progress.advance(len(data))


def write_bundle(manifest: Bundle, store: Store, file: BinaryIO, progress: Progress) -> None:
    """Every blob lies in the store, and is hashed again on its way. Raises `StoreError` for a damaged one."""
    text = manifest_text(manifest)
    file.write(member_header(MANIFEST, len(text)) + text + padding(len(text)))
    out = _Counted(file, progress)
    for blob in manifest.blobs:
        file.write(blob_header(blob))
        content = Slice(path=store.blob(blob.sha256), offset=0, size=blob.size, sha256=blob.sha256)
        copy_content(blob.name, content, out)
        file.write(padding(blob.size))
    file.write(END)


class BundleFile:
    """A bundle whose form was checked; its blobs are hashed when they are taken."""

    def __init__(self, path: Path, file: BufferedReader) -> None:
        self.path, self._file = path, file
        self._buffer = memoryview(bytearray(CHUNK))
        self.manifest, after = self._read_manifest()
        self._refuse_size(after)
        self._places: Mapping[str, tuple[BundledBlob, int]] = dict(self._walk(after))

    def take(self, sha256: str, store: Store, progress: Progress) -> None:
        """Brings a blob into the store. Raises `ArchiveError` where it is not what its name says."""
        if sha256 not in self._places:
            raise ArchiveError(f"'{self.path}': lacks the file {sha256}; bundle anew")
        blob, offset = self._places[sha256]
        self._file.seek(offset)
        left = blob.size
        with store.writer() as writer:
            while left and (count := self._fill(min(left, CHUNK))):
                writer.write(self._buffer[:count])
                left -= count
                progress.advance(count)
            if left or writer.sha256 != sha256:
                raise ArchiveError(f"'{self.path}': {blob.name}: is damaged or was changed; {AGAIN}")

    def size(self, sha256: str) -> int:
        return self._places[sha256][0].size if sha256 in self._places else 0

    def _read(self, size: int) -> bytes:
        with self._plain_errors():
            return self._file.read(size)

    def _fill(self, size: int) -> int:
        """Into one buffer: fresh memory for each piece of a gigabyte took more time than the reading."""
        with self._plain_errors():
            return self._file.readinto(self._buffer[:size])

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ArchiveError(f"'{self.path}': can't be read: {reason}") from None

    def _read_manifest(self) -> tuple[Bundle, int]:
        head = self._read(BLOCK)
        told = head[_SIZE].rstrip(b"\0")
        size = int(told, 8) if told.isdigit() and set(told) <= set(b"01234567") else 0
        if not 0 < size <= LONGEST_MANIFEST or head != member_header(MANIFEST, size):
            raise ArchiveError(f"'{self.path}': is no bundle; name a file that `temper bundle` wrote")
        text = self._read(size + len(padding(size)))
        if len(text) != size + len(padding(size)):
            raise ArchiveError(f"'{self.path}': is cut off in its manifest; {AGAIN}")
        return self._understood(text[:size]), BLOCK + len(text)

    def _understood(self, text: bytes) -> Bundle:
        try:
            data = json.loads(text)
            version = data.get("schema-version") if isinstance(data, dict) else None
            if isinstance(version, int) and version != 1:
                raise ArchiveError(
                    f"'{self.path}': is of form {version}, which another version of Temper wrote; "
                    "use that one, or bundle anew"
                )
            manifest = Bundle.model_validate(data)
            if manifest_text(manifest) == text:
                return manifest
            reason = "is not as Temper writes it"
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "manifest"
            reason = f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}"
        except (ValueError, RecursionError):
            reason = "is no JSON"
        raise ArchiveError(f"'{self.path}': its manifest is damaged: {reason}; {AGAIN}")

    def _refuse_size(self, after: int) -> None:
        """Before anything is believed of what it claims to hold."""
        blobs = self.manifest.blobs
        told = after + len(END) + sum(len(blob_header(b)) + b.size + len(padding(b.size)) for b in blobs)
        found = self.path.stat().st_size
        if found < told:
            raise ArchiveError(f"'{self.path}': is cut off: it has {found} of {told} bytes; {AGAIN}")
        if found > told:
            raise ArchiveError(
                f"'{self.path}': holds {found - told} bytes that its manifest doesn't name; {AGAIN}"
            )

    def _walk(self, at: int) -> Iterator[tuple[str, tuple[BundledBlob, int]]]:
        """Looks at each header, and over the contents."""
        for blob in self.manifest.blobs:
            self._file.seek(at)
            expected = blob_header(blob)
            found = self._read(len(expected))
            if found != expected:
                name = found[:100].rstrip(b"\0").decode("utf-8", "replace")
                raise ArchiveError(f"'{self.path}': {name!r} stands in the place of {blob.name}; {AGAIN}")
            at += len(expected)
            yield blob.sha256, (blob, at)
            at += blob.size + len(padding(blob.size))
        self._file.seek(at)
        if self._read(len(END)) != END:
            raise ArchiveError(f"'{self.path}': doesn't end as a bundle does; {AGAIN}")


@contextmanager
def opened_bundle(path: Path) -> Iterator[BundleFile]:
    """Raises `InputError` where there is no such file, `ArchiveError` for one that is not as it should be."""
    try:
        file = path.open("rb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"--bundle: '{path}': {reason}; name a file that `temper bundle` wrote") from None
    with file:
        yield BundleFile(path, file)
