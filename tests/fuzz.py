"""`python -m tests.fuzz [SECONDS]`: mutated layouts and archives thrown at the reader, for a minute.

Whatever is thrown, an image comes back or an error of ours, in bounded time and memory. What breaks that is
written to build/fuzz/ and named; the run ends with 1 then.
"""

import gzip
import random
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import zstandard

from builder.controls.audit import audit
from builder.controls.catalogue import CATALOGUE
from builder.controls.foreign import harden_foreign
from builder.errors import TemperError
from builder.image.layout import read_archive, read_layout
from builder.image.spooled import spooled
from builder.model.image import Image
from builder.model.plan import PlannedControl
from builder.packages.store import Store
from builder.progress import Silent
from tests.unit.image.foreign_layout import digest, plain_layout, tar_of, write_layout

SLOW = 20.0
"""Seconds that no input of some kilobytes may take."""
MEMORY = 400 << 10
"""Kibibytes that the whole run may take."""
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00" + bytes(range(44)) + bytes(500)
SEEDS = (
    tar_of({"usr/": None, "usr/bin/app": ELF, "etc/passwd": b"root:x:0:0::/root:/bin/sh\na:x:1:1::/:\n"}),
    tar_of({"a/.wh..wh..opq": b"", "a/.wh.b": b"", "run.sh": b"#!/bin/sh\nexec python3 x\n"}, mode=0o4755),
    tar_of(
        {"n" * 300: b"x", "é": b"y"}, pax_headers={"SCHILY.xattr.security.capability": "\1\2", "mtime": "1"}
    ),
    tar_of(
        {"var/lib/dpkg/status": b"Package: a\nVersion: 1\nArchitecture: all\nStatus: install ok installed\n"}
    ),
)
CONTROLS = [
    PlannedControl(key=one.key, parameters=one.parameters(), asked_by="fuzz")
    for one in CATALOGUE
    if not any(field.is_required() for field in one.parameters.model_fields.values())
]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, cut, doubled, or moved, and every header's checksum right again, most times."""
    out = bytearray(data)
    for _ in range(chance.choice([0, 1, 1, 2, 4, 16])):
        at = chance.randrange(len(out) or 1)
        match chance.randrange(5):
            case 0:
                out[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del out[at : at + chance.choice([1, 512, 1024])]
            case 2:
                block = at // 512 * 512
                out[block:block] = out[block : block + chance.choice([512, 1024])]
            case 3:
                out[at : at + 12] = chance.choice([b"77777777777\0", b"\xff" * 12, b"\x80" + bytes(11)])
            case 4:
                out[at : at + 3] = chance.choice([b"../", b"/..", b".wh", b"\0\0\0"])
    return resigned(bytes(out)) if chance.random() < 0.8 else bytes(out)


def resigned(data: bytes) -> bytes:
    """Wrong checksums would hide everything behind them."""
    out = bytearray(data)
    for at in range(0, len(out) - 511, 512):
        if out[at + 257 : at + 262] == b"ustar":
            out[at + 148 : at + 156] = b" " * 8
            out[at + 148 : at + 156] = b"%06o\0 " % (sum(out[at : at + 512]) % 0o1000000)
    return bytes(out)


PACKERS: tuple[Callable[[bytes], bytes], ...] = (bytes, gzip.compress, zstandard.compress)


def attempt(folder: Path, chance: random.Random) -> None:
    layers = [mutated(chance.choice(SEEDS), chance) for _ in range(chance.randrange(1, 4))]
    stored = [(chance.choice(PACKERS)(layer), layer) for layer in layers]
    if chance.random() < 0.2:
        stored[0] = (mutated(stored[0][0], chance), stored[0][1])
    words = chance.choice([["/usr/bin/app"], ["run.sh"], ["/bin/sh", "-c", "run.sh x"], []])
    write_layout(folder, stored, config={"Entrypoint": words, "User": chance.choice(["", "1", "a:b"])})
    index = folder / "index.json"
    if chance.random() < 0.1:
        index.write_bytes(mutated(index.read_bytes(), chance))
    look(read_layout(folder))


def attempt_archive(folder: Path, chance: random.Random) -> None:
    layer = mutated(chance.choice(SEEDS), chance)
    config = (
        b'{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":["sha256:%s"]}}' % digest(layer).encode()
    )
    manifest = b'[{"Config":"c.json","Layers":["l.tar"]}]'
    files = {"l.tar": layer, "c.json": config, "manifest.json": manifest}
    if chance.random() < 0.5:
        plain_layout(folder / "oci", layer)
        there = (path for path in (folder / "oci").rglob("*") if path.is_file())
        files = {str(path.relative_to(folder / "oci")): path.read_bytes() for path in there}
    path = folder / "image.tar"
    path.write_bytes(chance.choice(PACKERS)(mutated(tar_of(files), chance)))
    with spooled(path, Store(folder / "store"), Silent()) as plain:
        look(read_archive(plain))


def look(image: Image) -> None:
    audit(image, None, None, CONTROLS)
    harden_foreign(image, CONTROLS)
    for entry in image.rootfs.files():
        if entry.content is not None and entry.size < 1 << 20:
            with entry.content.open() as stream:
                stream.read()


def main(seconds: float, seed: int) -> int:
    began, tried, refused, failed = time.monotonic(), 0, 0, 0
    while time.monotonic() < began + seconds:
        tried += 1
        chance = random.Random(f"{seed}-{tried}")  # noqa: S311 - a case is found again by its number
        with tempfile.TemporaryDirectory(prefix="temper-fuzz-") as name:
            start = time.monotonic()
            try:
                (attempt if chance.random() < 0.8 else attempt_archive)(Path(name), chance)
            except TemperError:
                refused += 1
            except Exception:
                failed += 1
                report(seed, tried, traceback.format_exc())
            if time.monotonic() - start > SLOW:
                failed += 1
                report(seed, tried, f"took {time.monotonic() - start:.1f} s")
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"fuzz: seed {seed}: {tried} inputs, {refused} refused, {failed} failed, {used >> 10} MiB at most")
    return 1 if failed or used > MEMORY else 0


def report(seed: int, number: int, text: str) -> None:
    folder = Path("build/fuzz")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{seed}-{number}.txt").write_text(text)
    print(f"fuzz: seed {seed}, input {number}: {text.splitlines()[-1]}")


if __name__ == "__main__":
    sys.exit(
        main(
            float(sys.argv[1]) if len(sys.argv) > 1 else 60.0,
            int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(10**6),
        )
    )
