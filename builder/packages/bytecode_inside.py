"""Runs in the image's own Python: sources from stdin, byte code to stdout. Frames are big-endian lengths.

In: length of the path, length of the source, both; out: length of the byte code and it, 0 where Python can't
compile the source. Byte code is unchecked-hash (PEP 552): it holds no time, and nobody looks for the source.
"""

import marshal
import struct
import sys
from importlib.util import MAGIC_NUMBER, source_hash

UNCHECKED_HASH = 0b01


def compiled(path: str, source: bytes) -> bytes:
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return b""
    head = MAGIC_NUMBER + UNCHECKED_HASH.to_bytes(4, "little") + source_hash(source)
    return head + marshal.dumps(code)


def main() -> None:
    frame = struct.Struct(">II")
    while len(head := sys.stdin.buffer.read(frame.size)) == frame.size:
        path, source = (sys.stdin.buffer.read(size) for size in frame.unpack(head))
        code = compiled("/" + path.decode("utf-8", "surrogateescape"), source)
        sys.stdout.buffer.write(struct.pack(">I", len(code)) + code)
        sys.stdout.buffer.flush()  # whoever reads may be waiting for this one, with stdin still open


if __name__ == "__main__":
    main()
