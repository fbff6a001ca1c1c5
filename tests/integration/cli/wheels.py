"""Wheels on loopback, as `uv` reads them, and a package that stands for Python."""

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tests.integration.archive import Deb

PYTHON = Deb(
    name="python3.13",
    version="3.13.5-2",
    architecture="all",
    files={"usr/bin/python3.13": b"#!/usr/bin/run\n"},
    modes={"usr/bin/python3.13": 0o755},
)


@dataclass(frozen=True)
class Index:
    """Wheels on loopback, as `uv` reads them."""

    folder: Path
    url: str

    @property
    def environment(self) -> dict[str, str]:
        return {"UV_DEFAULT_INDEX": f"{self.url}/simple", "UV_NO_CACHE": "1", "UV_NO_CONFIG": "1"}

    def add(self, name: str, version: str, size: int) -> None:
        stem = name.replace("-", "_")
        data = wheel(stem, version, hashlib.shake_128(f"{name} {version}".encode()).digest(size))
        filename = f"{stem}-{version}-py3-none-any.whl"
        (self.folder / "files").mkdir(exist_ok=True)
        (self.folder / "files" / filename).write_bytes(data)
        page = self.folder / "simple" / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(data).hexdigest()
        with page.open("a") as text:
            text.write(f'<a href="/files/{filename}#sha256={digest}">{filename}</a>\n')


def wheel(stem: str, version: str, content: bytes) -> bytes:
    info = f"{stem}-{version}.dist-info"
    files = {
        f"{stem}/__init__.py": b"",
        f"{stem}/data.bin": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {stem}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={digest(data)},{len(data)}" for path, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,\n"]).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path), data)
    return out.getvalue()


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
