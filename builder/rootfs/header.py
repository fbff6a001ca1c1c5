"""One tar header block and one PAX header, parsed strictly: pure functions over bytes.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar 1.35, appendix D.
"""

import re
import struct
from typing import NamedTuple

BLOCK = 512
MAX_ID = (1 << 32) - 2
"""The highest number of a user or group: Linux keeps 2**32 - 1 for "no change"."""
MAX_SIZE = 1 << 50
"""A petabyte; also the bound of times, in seconds to either side of the epoch."""

_BLOCK = struct.Struct("100s 8s 8s 8s 12s 12s 8s c 100s 8s 80s 155s 12x")
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
    name, mode, uid, gid, size, mtime, checksum, type_, target, magic, _, prefix = _BLOCK.unpack(block)
    if number(checksum) != sum(block) - sum(checksum) + 8 * 32:
        raise HeaderError("its checksum is wrong")
    name = cut(name)
    if magic[:6] == b"ustar\0" and (folder := cut(prefix)):  # GNU's own format keeps other things there
        name = folder + b"/" + name
    return Header(
        name=name,
        type=_type(type_),
        mode=number(mode) & 0o7777,
        uid=_bounded(number(uid), "uid", MAX_ID),
        gid=_bounded(number(gid), "gid", MAX_ID),
        mtime=number(mtime),
        size=_bounded(number(size), "size", MAX_SIZE),
        target=cut(target),
    )


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
    return field.split(b"\0", 1)[0]


OLD = "\0"
"""The type of archives older than POSIX: a directory if the whole name ends with a slash, else a file."""


def _type(field: bytes) -> str:
    return "0" if field == b"7" else field.decode("latin-1")
