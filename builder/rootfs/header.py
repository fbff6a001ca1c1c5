"""One tar header block and one PAX header, parsed strictly: pure functions over bytes.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar 1.35, appendix D.
"""

import re
import struct
from functools import lru_cache
from typing import NamedTuple
from zlib import adler32

BLOCK = 512
MAX_ID = (1 << 32) - 2
"""The highest number of a user or group: Linux keeps 2**32 - 1 for "no change"."""
MAX_SIZE = 1 << 50
"""A petabyte; also the bound of times, in seconds to either side of the epoch."""

_BLOCK = struct.Struct("100s 24s 12s 12s 8s c 100s 8s 80x 155s 12x")
_RECORD = re.compile(rb"([1-9][0-9]{0,7}) ([^=\n\0]+)=")
_TIME = re.compile(rb"(-?[0-9]{1,15})(\.[0-9]*)?")


class HeaderError(ValueError):
    """The bytes are not what the format prescribes; `str()` says what."""


class Header(NamedTuple):
    """The fields of one block. Names are bytes, cut at the first NUL."""

    name: bytes
    type: str
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int
    target: bytes


def parse_header(block: bytes) -> Header:
    """Raises `HeaderError`, for a wrong checksum first of all."""
    name, ids, size, mtime, checksum, type_, target, magic, prefix = _BLOCK.unpack(block)
    if number(checksum) != _sum(block) - sum(checksum) + 8 * 32:
        raise HeaderError("its checksum is wrong")
    name = cut(name)
    if magic[:6] == b"ustar\0" and (folder := cut(prefix)):  # GNU's own format keeps other things there
        name = folder + b"/" + name
    mode, uid, gid = _mode_and_owner(ids)
    return Header(
        name,
        _type(type_),
        mode,
        uid,
        gid,
        number(mtime),
        _bounded(number(size), "size", MAX_SIZE),
        cut(target),
    )


def _sum(block: bytes) -> int:
    """Of ASCII it stays below the prime of Adler-32, which is computed much faster."""
    return (adler32(block) & 0xFFFF) - 1 if block.isascii() else sum(block)


@lru_cache(maxsize=256)
def _mode_and_owner(field: bytes) -> tuple[int, int, int]:
    """An archive has few of them."""
    mode, uid, gid = field[:8], field[8:16], field[16:]
    return number(mode) & 0o7777, _bounded(number(uid), "uid", MAX_ID), _bounded(number(gid), "gid", MAX_ID)


def parse_records(data: bytes) -> dict[str, bytes]:
    """The records of a PAX header: `LENGTH KEY=VALUE\\n`, the last of a key wins."""
    records = {}
    at = 0
    while at < len(data):
        match = _RECORD.match(data, at)
        end = at + int(match[1]) if match else 0
        if match is None or end > len(data) or end <= match.end() or data[end - 1 : end] != b"\n":
            raise HeaderError("a record of its extended header is damaged")
        records[match[2].decode("utf-8", "surrogateescape")] = data[match.end() : end - 1]
        at = end
    return records


def number(field: bytes) -> int:
    """Octal digits between blanks, or GNU's base-256 with the top bit set."""
    if field[0] & 0x80:
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        return value - (1 << bits) if field[0] & 0x40 else value
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise HeaderError(f"{digits.decode('latin-1')!a} is not an octal number")
    return int(digits, 8) if digits else 0


def decimal(value: bytes, key: str, limit: int) -> int:
    """A number of a PAX record: an id or a size."""
    if not value.isdigit() or len(value) > 18 or int(value) > limit:
        raise HeaderError(f"{value.decode('latin-1')!a} is not a {key}")
    return int(value)


def seconds(value: bytes) -> int:
    """A time of a PAX record; parts of a second are dropped."""
    match = _TIME.fullmatch(value)
    if match is None:
        raise HeaderError(f"{value.decode('latin-1')!a} is not a time")
    return int(match[1])


def _bounded(value: int, key: str, limit: int) -> int:
    if not 0 <= value <= limit:
        raise HeaderError(f"{value} is not a {key}")
    return value


def cut(field: bytes) -> bytes:
    return field[: end if (end := field.find(0)) >= 0 else None]


OLD = "\0"
"""The type of archives older than POSIX: a directory if the whole name ends with a slash, else a file."""


def _type(field: bytes) -> str:
    return "0" if field == b"7" else field.decode("latin-1")
