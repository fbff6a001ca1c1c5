"""`executable_stack.py PROGRAM COPY`: a copy that asks for an executable stack, as old assembly code does.

Source: elf(5). The base has no compiler; a bit in a program header is all that one would set.
"""

import struct
import sys
from pathlib import Path

GNU_STACK, EXECUTE = 0x6474E551, 1

program, copy = map(Path, sys.argv[1:])
data = bytearray(program.read_bytes())
(start,) = struct.unpack_from("<Q", data, 32)
size, count = struct.unpack_from("<HH", data, 54)
for at in range(start, start + size * count, size):
    kind, flags = struct.unpack_from("<II", data, at)
    if kind == GNU_STACK:
        struct.pack_into("<I", data, at + 4, flags | EXECUTE)
copy.write_bytes(data)
copy.chmod(0o755)
