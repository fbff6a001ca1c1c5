"""Trees to audit, made in a process of their own: `python -m bench.synthetic slim BASE TREE`, and
`... large TREE FOLDER BYTES`. The same arguments give the same bytes.
"""

import base64
import gzip
import hashlib
import io
import json
import re
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

from bench.foreign import LAYOUT, SAVED

MEGA = 1_000_000
SLIM = 50 * MEGA
LIBRARY = 64 * MEGA
MODULE = 12_000
"""Bytes of a Python file, as they are on average in PyTorch."""
PIECE = 1 << 16
WHEELS = "opt/venv/lib/python3.13/site-packages"
NOISE = Random(1).randbytes(16 << 20)  # noqa: S311 - it only has to be the same each time
_LEFT_OUT = re.compile(
    r"^(\./)?(usr/share/(doc|man|locale|info|lintian|bug|zoneinfo|perl)|usr/lib/[^/]+/(perl|gconv)|usr/bin/perl"
    r"|var/(cache|log|lib/apt)|dev)/."
)
_OCI = "application/vnd.oci.image"


def slim(base: Path, tree: Path) -> None:
    """Some 50 MB of a base: no documentation, no Perl, and the largest libraries left out."""
    with tarfile.open(base) as source, tarfile.open(tree, "w", format=tarfile.PAX_FORMAT) as target:
        kept = [one for one in source if not _LEFT_OUT.match(one.name)]
        linked = {one.linkname for one in kept if one.islnk()}
        spare = sum(one.size for one in kept) - SLIM
        for one in sorted(kept, key=lambda one: -one.size):
            plain = one.isreg() and not one.mode & 0o111 and one.name not in linked
            if spare > 0 and plain and not re.search(r"/lib(c|tinfo|pcre2-8|selinux)[.-]|dpkg", one.name):
                kept.remove(one)
                spare -= one.size
        for one in kept:
            target.addfile(one, source.extractfile(one) if one.isreg() else None)


class Library(io.RawIOBase):
    """Begins like a shared library; goes on in turn with pieces of programs and with noise."""

    def __init__(self, size: int, seed: int, head: bytes, programs: bytes) -> None:
        self._left = size
        self._random = Random(seed)  # noqa: S311
        self._sources = (programs, NOISE)
        self._rest = head[:size]

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        while len(self._rest) < wanted:
            for source in self._sources:
                at = self._random.randrange(len(source) - PIECE)
                self._rest += source[at : at + PIECE]
        data, self._rest = self._rest[:wanted], self._rest[wanted:]
        self._left -= len(data)
        return data


class Tree:
    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by `close`
        self._folders: set[str] = set()

    def add(self, name: str, size: int, content: Any) -> None:
        above = ""
        for part in name.split("/")[:-1]:
            above = f"{above}{part}/"
            if above not in self._folders:
                self._folders.add(above)
                self._add(above, tarfile.DIRTYPE, 0o755)
        self._add(name, tarfile.REGTYPE, 0o644, size, content)

    def _add(self, name: str, kind: bytes, mode: int, size: int = 0, content: Any = None) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.mtime = kind, mode, size, 1_700_000_000
        self._tar.addfile(info, content)

    def close(self) -> None:
        self._tar.close()


def large(tree: Path, folder: Path, size: int) -> None:
    """An image of about `size` bytes, a third of them libraries of the system, the rest wheels: as an archive
    of `docker save`, and as a layout with gzip layers."""
    folder.mkdir(parents=True)
    programs = tree.read_bytes()
    head = programs[programs.index(b"\x7fELF") :][: 1 << 20]
    count = max(1, (size - len(programs)) // LIBRARY)
    system, wheels = folder / "system.tar", folder / "wheels.tar"
    out = Tree(system)
    for number in range(count // 3):
        out.add(f"usr/local/cuda/lib64/lib{number}.so", LIBRARY, Library(LIBRARY, number, head, programs))
    out.close()
    out = Tree(wheels)
    for number in range(count // 3, count):
        _wheel(out, f"package{number}", lambda number=number: Library(LIBRARY, number, head, programs))
    out.close()
    layers = (tree, system, wheels)
    _save(folder / SAVED, layers)
    _lay_out(folder / LAYOUT, layers)
    system.unlink()
    wheels.unlink()


def _wheel(out: Tree, name: str, library: Any) -> None:
    """One library and what a fifth of its size makes of Python files, all of them recorded."""
    rows = [_row(f"{name}/library.so", library(), LIBRARY)]
    out.add(f"{WHEELS}/{name}/library.so", LIBRARY, library())
    text = Path(__file__).read_bytes()
    for number in range(LIBRARY // 5 // MODULE):
        data = b"# %d\n%b" % (number, text * (1 + MODULE // len(text)))
        path = f"{name}/part{number % 20}/module{number}.py"
        rows.append(_row(path, io.BytesIO(data[:MODULE]), MODULE))
        out.add(f"{WHEELS}/{path}", MODULE, io.BytesIO(data[:MODULE]))
    record = "\n".join([*rows, f"{name}-1.0.dist-info/RECORD,,"]).encode()
    out.add(f"{WHEELS}/{name}-1.0.dist-info/RECORD", len(record), io.BytesIO(record))


def _row(path: str, content: Any, size: int) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content.read()).digest()).decode().rstrip("=")
    return f"{path},sha256={digest},{size}"


def _config(layers: Iterable[Path]) -> bytes:
    digests = [f"sha256:{_digest(layer)}" for layer in layers]
    platform = {"architecture": "amd64", "os": "linux"}
    return json.dumps({**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": digests}}).encode()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _save(target: Path, layers: Iterable[Path]) -> None:
    config = _config(layers)
    names = [f"{number}/layer.tar" for number, _ in enumerate(layers)]
    manifest = json.dumps([{"Config": "config.json", "RepoTags": None, "Layers": names}]).encode()
    with tarfile.open(target, "w") as out:
        for layer, name in zip(layers, names, strict=True):
            out.add(layer, name)
        for name, data in (("config.json", config), ("manifest.json", manifest)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))


def _lay_out(folder: Path, layers: Iterable[Path]) -> None:
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(path: Path, kind: str) -> dict[str, Any]:
        digest, size = _digest(path), path.stat().st_size
        path.rename(blobs / digest)
        return {"mediaType": f"{_OCI}.{kind}", "digest": f"sha256:{digest}", "size": size}

    def put_json(data: bytes, kind: str) -> dict[str, Any]:
        (folder / "fresh").write_bytes(data)
        return put(folder / "fresh", kind)

    packed = []
    for layer in layers:
        with layer.open("rb") as file, gzip.GzipFile(folder / "fresh", "wb", 1, mtime=0) as out:
            while chunk := file.read(1 << 20):
                out.write(chunk)
        packed.append(put(folder / "fresh", "layer.v1.tar+gzip"))
    manifest = {"schemaVersion": 2, "config": put_json(_config(layers), "config.v1+json"), "layers": packed}
    index = {"schemaVersion": 2, "manifests": [put_json(json.dumps(manifest).encode(), "manifest.v1+json")]}
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "slim":
        slim(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        large(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
