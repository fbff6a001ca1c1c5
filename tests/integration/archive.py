"""A signed Debian archive that a test makes itself and serves on loopback.

    from tests.integration.archive import Deb, LocalArchive, Signing, archive # in conftest.py

    def test_...(archive):
        archive.publish([Deb(name="app", depends="lib (>= 2)"), Deb(name="lib", version="2.0")])

The fixture points Temper at it by environment variables; `publish` again replaces what stands there.
"""

import hashlib
import io
import lzma
import tarfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import StrEnum
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pysequoia
import pytest
import zstandard

DATE = 1_790_000_000
"""2026-09-21 14:13 UTC: when the indexes are dated, and a good `now` for the tests."""
DAY = 86_400
ARCHITECTURES = ("amd64", "arm64")


class Signing(StrEnum):
    GOOD = "good"
    TAMPERED = "tampered"
    """Changed after it was signed."""
    UNSIGNED = "unsigned"
    STRANGER = "stranger"
    """A good signature by a key that nobody trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deb:
    """A package; `build()` gives its bytes, the same every time."""

    name: str
    version: str = "1.0"
    architecture: str = "amd64"
    """`all` lands in the indexes of both architectures."""
    depends: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Further control fields: `{"Conflicts": "other"}`."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """By path without leading slash; parents come along by themselves."""
    links: Mapping[str, str] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)
    """Where not 0644."""
    scripts: Mapping[str, str] = field(default_factory=dict)
    compression: str = "xz"
    """Of both members: `xz`, `gz`, `zst` or empty."""

    @property
    def path(self) -> str:
        return f"pool/main/{self.name[0]}/{self.name}/{self.name}_{self.version}_{self.architecture}.deb"

    def control(self) -> str:
        fields = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": self.architecture,
            "Maintainer": "Tests <tests@example.test>",
            **({"Depends": self.depends} if self.depends else {}),
            **self.fields,
            "Description": "made by a test\n .\n  with: a second line",
        }
        return "".join(f"{key}: {value}\n" for key, value in fields.items())

    def build(self) -> bytes:
        sums = "".join(f"{_md5(data)}  {path}\n" for path, data in sorted(self.files.items()))
        control = {"control": self.control(), "md5sums": sums, **self.scripts}
        suffix = f".{self.compression}" if self.compression else ""
        return ar(
            {
                "debian-binary": b"2.0\n",
                f"control.tar{suffix}": compressed(
                    tar(
                        {f"./{name}": text.encode() for name, text in control.items()},
                        modes={f"./{name}": 0o755 for name in self.scripts},
                    ),
                    self.compression,
                ),
                f"data.tar{suffix}": compressed(
                    tar(
                        self._dotted(self.files),
                        links=self._dotted(self.links),
                        modes=self._dotted(self.modes),
                    ),
                    self.compression,
                ),
            }
        )

    @staticmethod
    def _dotted(paths: Mapping[str, Any]) -> dict[str, Any]:
        return {f"./{path}": value for path, value in paths.items()}


def ar(members: Mapping[str, bytes]) -> bytes:
    """The common archive format, as deb(5) has it."""
    parts = [b"!<arch>\n"]
    for name, data in members.items():
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
        parts += [head.encode(), data, b"\n" * (len(data) % 2)]
    return b"".join(parts)


def tar(
    files: Mapping[str, bytes],
    *,
    links: Mapping[str, str] | None = None,
    modes: Mapping[str, int] | None = None,
) -> bytes:
    links, modes = links or {}, modes or {}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(_folders([*files, *links])):
            archive.addfile(_member(path, tarfile.DIRTYPE, 0o755))
        for path, data in sorted(files.items()):
            member = _member(path, tarfile.REGTYPE, modes.get(path, 0o644))
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for path, target in sorted(links.items()):
            member = _member(path, tarfile.SYMTYPE, 0o777)
            member.linkname = target
            archive.addfile(member)
    return out.getvalue()


def _folders(paths: Iterable[str]) -> set[str]:
    return {str(parent) for path in paths for parent in Path(path).parents} - {".", ""}


def _member(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path if path.startswith("./") else f"./{path}")
    member.type, member.mode, member.mtime = kind, mode, DATE - DAY
    member.uname = member.gname = "root"
    return member


def compressed(data: bytes, compression: str) -> bytes:
    match compression:
        case "xz":
            return lzma.compress(data)
        case "zst":
            return zstandard.compress(data)
        case "gz":
            import gzip  # noqa: PLC0415 - one test needs it

            return gzip.compress(data, mtime=0)
        case _:
            return data


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@cache
def signing_key(name: str) -> Any:
    """One key a name and test session; made in a millisecond, so none is checked in."""
    return pysequoia.Tsk.generate(f"Test {name} <{name}@example.test>")


ALWAYS = (
    Deb(name="base-files", architecture="all", files={"etc/os-release": b"ID=debian\n"}),
    Deb(name="busybox-static", architecture="all", files={"usr/bin/busybox": b"\x7fELF"}),
    Deb(name="strace", architecture="all", files={"usr/bin/strace": b"\x7fELF"}),
)
"""What every lock asks for; the first suite holds them, unless a test brings its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalArchive:
    """The archives `debian` and `debian-security` of one release, below `root`."""

    root: Path
    url: str = ""
    """Where `root` is served."""
    codename: str = "trixie"

    @property
    def keyring(self) -> Path:
        return self.root / "keyring.asc"

    def environment(self) -> dict[str, str]:
        return {
            "TEMPER_MIRROR_DEBIAN": f"{self.url}/debian",
            "TEMPER_MIRROR_DEBIAN_SECURITY": f"{self.url}/debian-security",
            "TEMPER_KEYRING_DEBIAN": str(self.keyring),
            "TEMPER_KEYRING_DEBIAN_SECURITY": str(self.keyring),
        }

    def publish(
        self,
        debs: Iterable[Deb] = (),
        *,
        updates: Iterable[Deb] = (),
        security: Iterable[Deb] = (),
        **options: Any,
    ) -> None:
        """All three suites, `ALWAYS` included; `options` are those of `publish_suite`."""
        own = tuple(debs)
        missing = (deb for deb in ALWAYS if deb.name not in {one.name for one in own})
        self.publish_suite("debian", self.codename, (*own, *missing), **options)
        self.publish_suite("debian", f"{self.codename}-updates", updates, **options)
        self.publish_suite("debian-security", f"{self.codename}-security", security, **options)

    def publish_suite(
        self,
        archive: str,
        suite: str,
        debs: Iterable[Deb] = (),
        *,
        date: int = DATE,
        valid: int | None = 7 * DAY,
        signing: Signing = Signing.GOOD,
        by_hash: bool = True,
        architectures: tuple[str, ...] = ARCHITECTURES,
        says: str = "",
    ) -> None:
        """Writes the packages and the signed index. `valid`: seconds after `date`; `says`: a codename."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.keyring.write_text(str(signing_key("archive").extract_certificate()))
        folder = self.root / archive / "dists" / suite
        stanzas = [(deb, self._place(archive, deb)) for deb in debs]
        listed = {}
        for architecture in architectures:
            mine = [text for deb, text in stanzas if deb.architecture in (architecture, "all")]
            text = "".join(f"{stanza}\n" for stanza in mine).encode()
            path = f"main/binary-{architecture}/Packages"
            listed[path] = self._write_index(folder / path, text, by_hash=by_hash)
            listed[f"{path}.xz"] = self._write_index(
                folder / f"{path}.xz", lzma.compress(text), by_hash=by_hash
            )
        lines = [
            "Origin: Debian",
            f"Suite: {'stable' if says or suite == self.codename else suite}",
            f"Codename: {says or suite}",
            f"Date: {formatdate(date, usegmt=True)}",
            *([] if valid is None else [f"Valid-Until: {formatdate(date + valid, usegmt=True)}"]),
            f"Acquire-By-Hash: {'yes' if by_hash else 'no'}",
            f"Architectures: all {' '.join(architectures)}",
            "Components: main",
            "SHA256:",
            *(f" {sha256} {size:>16} {path}" for path, (sha256, size) in sorted(listed.items())),
        ]
        (folder / "InRelease").write_bytes(signed("".join(f"{line}\n" for line in lines), signing))

    def file(self, deb: Deb, archive: str = "debian") -> Path:
        """Where a published package lies, to be spoilt or removed."""
        return self.root / archive / deb.path

    def index(self, suite: str = "", architecture: str = "amd64", archive: str = "debian") -> list[Path]:
        """Every copy of a suite's compressed Packages: under its name and by hash."""
        folder = self.root / archive / "dists" / (suite or self.codename) / f"main/binary-{architecture}"
        named = folder / "Packages.xz"
        hashed = folder / "by-hash/SHA256" / hashlib.sha256(named.read_bytes()).hexdigest()
        return [named, *([hashed] if hashed.exists() else [])]

    def _place(self, archive: str, deb: Deb) -> str:
        data = deb.build()
        path = self.root / archive / deb.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return (
            f"{deb.control()}Filename: {deb.path}\nSize: {len(data)}\n"
            f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
        )

    @staticmethod
    def _write_index(path: Path, data: bytes, *, by_hash: bool) -> tuple[str, int]:
        digest = hashlib.sha256(data).hexdigest()
        places = [path, *([path.parent / "by-hash/SHA256" / digest] if by_hash else [])]
        for place in places:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        return digest, len(data)


def signed(text: str, signing: Signing = Signing.GOOD) -> bytes:
    """An InRelease file."""
    if signing is Signing.UNSIGNED:
        return text.encode()
    key = signing_key("stranger" if signing is Signing.STRANGER else "archive")
    data = pysequoia.sign(key.signer(), text.encode(), mode=pysequoia.SignatureMode.CLEAR)
    return data.replace(b"Origin: Debian", b"Origin: Devian") if signing is Signing.TAMPERED else data


def flip(path: Path, offset: int = -1) -> None:
    """Flips the bits of one byte of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name in the base class
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serves a folder on a free port of loopback and gives its base URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalArchive]:
    """An archive with nothing published yet; Temper's configuration points at it, and at an empty store."""
    root = tmp_path / "archive"
    root.mkdir()
    with serve(root) as url:
        local = LocalArchive(root=root, url=url)
        for name, value in local.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TEMPER_STORE", str(tmp_path / "store"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield local
