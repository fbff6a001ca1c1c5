"""Scanners that are programs on the PATH: found, known by version and hash, run with as little as they need.

Each gets an empty environment, a home folder that is empty and thrown away, a cache of its own below the
store, and, where this machine allows namespaces, no network. So no configuration or ignore file of a user, no
secret and no other program's cache has a say. Their exit code decides nothing by itself.
"""

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from builder import process
from builder.errors import ToolError
from builder.model.scan import ProgramName, ScanRun
from builder.model.tools import refusal
from builder.scan.target import Target

LARGEST = 512 << 20
"""Bytes of an answer."""
VERSION_SECONDS = 60
"""For the program to tell its version: the first start from a slow disk takes a while."""
STALE = 24 * 3600
"""Seconds after which a scanner's folder belongs to nobody: none may take that long."""
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that a database's update is told, in capitals and not."""
CUT_OFF = ("unshare", "--user", "--map-current-user", "--net", "--pid", "--fork", "--kill-child", "--")
"""No network, and nothing that it starts outlives it."""
ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LOG = re.compile(r"^(\[\d+\]\s+[A-Z]+\s+|\S+Z\t[A-Z]+\t(Fatal error\t)?|\* )")
"""What loggers write before what they have to say: grype's, trivy's."""
NO_NETWORK_HERE = (
    "whether it stayed off the network: it was told to, but this machine allows no namespaces to hold it"
)


class NotAssessedError(Exception):
    """Why a scanner's answer means nothing; ends as the run's `problem`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    name: ProgramName
    path: Path
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where a scanner works for once."""

    folder: Path
    """Its home and working directory: empty, and thrown away."""
    cache: Path
    """Its own, kept from scan to scan."""
    program: Path

    def env(self, more: Mapping[str, str]) -> dict[str, str]:
        folder = str(self.folder)
        places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), folder)
        return {"PATH": os.defpath, "LC_ALL": "C.UTF-8", **places, "XDG_CACHE_HOME": str(self.cache), **more}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    code: int
    answer: bytes
    """Of the first file that it was to write, else of its stdout."""
    others: tuple[bytes, ...] = ()
    """Of the other files."""
    errors: str
    """Without colours."""

    @property
    def last(self) -> str:
        """What it said last, for people."""
        lines = [LOG.sub("", line.strip()) for line in self.errors.splitlines() if line.strip()]
        return lines[-1][:300] if lines else "it said nothing"


def on_path(name: str) -> bool:
    return shutil.which(name) is not None


@contextmanager
def room(target: Target, name: ProgramName, path: Path) -> Iterator[Room]:
    """On the store's disk: scanners unpack layers, and `/tmp` is small on many machines."""
    above = target.place.store.root / "scanners"
    kept = above / name
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in above.glob("scan-*"):  # by a killed process
        if left.stat().st_mtime < time.time() - STALE:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="scan-", dir=above, ignore_cleanup_errors=True) as folder:
        yield Room(folder=Path(folder), cache=kept, program=path)


def found(target: Target, name: ProgramName, version: Sequence[str], pattern: re.Pattern[str]) -> Program:
    """The program on the PATH, as far as the profile allows it.

    Its hash is looked at before it is run for the first time; its version is asked where it has no network.
    """
    path = shutil.which(name)
    if path is None:
        raise NotAssessedError(f"'{name}' is not on the PATH; install it, or don't require it in the profile")
    sha256 = digest_of(Path(path))
    pinned = (target.settings.pins or {}).get(name, ())
    if pinned and sha256 not in pinned:
        raise NotAssessedError(f"'{path}' has SHA-256 {sha256}, which the profile's pins don't name")
    with room(target, name, Path(path)) as place:
        said = run(place, version, seconds=VERSION_SECONDS)
    known = pattern.search(said.answer.decode(errors="replace"))
    if known is None:
        raise NotAssessedError(f"'{path}' doesn't tell its version, so nobody knows if it is a bad release")
    program = Program(name=name, path=Path(path), version=known[1].removeprefix("v"), sha256=sha256)
    if reason := refusal(name, program.version):
        raise RefusedError(program, reason)
    return program


class RefusedError(NotAssessedError):
    """A release that is known to be bad; what is known of it belongs into the answer."""

    def __init__(self, program: Program, reason: str) -> None:
        super().__init__(f"{program.name} {program.version} is refused: {reason}")
        self.program = program


def digest_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NotAssessedError(f"'{path}' can't be read: {(error.strerror or str(error)).lower()}") from None


def run(
    place: Room,
    arguments: Sequence[str],
    *,
    seconds: float,
    answers: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    network: bool = False,
) -> Said:
    """`answers` are the names of files that it is told to write in its folder.

    Raises `NotAssessedError` where it can't be started, takes too long or says too much."""
    output, errors = place.folder / ".answer", place.folder / ".errors"
    files = [place.folder / name for name in answers]
    try:
        ended = process.bounded(
            [*(() if network else cut_off()), place.program, *arguments],
            env={**place.env(env or {}), **(proxies() if network else {})}, cwd=place.folder,
            output=output, errors=errors, answers=files, seconds=seconds, largest=LARGEST,
        )  # fmt: skip
    except ToolError as error:
        raise NotAssessedError(str(error)) from None
    if ended.stopped:
        raise NotAssessedError(f"it {ended.stopped}, and was stopped")
    written = [read(path) for path in files or [output]]
    text = read(errors).decode(errors="replace")
    return Said(code=ended.code, answer=written[0], others=tuple(written[1:]), errors=ESCAPES.sub("", text))


def read(path: Path) -> bytes:
    """What was written last may be more than was seen while it ran."""
    if not path.is_file():
        return b""
    if path.stat().st_size > LARGEST:
        raise NotAssessedError(f"it wrote more than {LARGEST // 1_000_000} MB")
    return path.read_bytes()


def proxies() -> dict[str, str]:
    names = (*PROXIES, *(name.lower() for name in PROXIES))
    return {name: os.environ[name] for name in names if os.environ.get(name)}


@cache
def cut_off() -> tuple[str, ...]:
    """What to put before a command; empty where this machine allows no namespaces."""
    try:
        done = process.run([*CUT_OFF, "true"], check=False)
    except ToolError:
        return ()
    return CUT_OFF if done.returncode == 0 else ()


def known_limits() -> tuple[str, ...]:
    return () if cut_off() else (NO_NETWORK_HERE,)


def not_assessed(name: ProgramName, error: NotAssessedError, program: Program | None = None) -> ScanRun:
    known = error.program if isinstance(error, RefusedError) else program
    return ScanRun(
        scanner=name,
        version=known.version if known else "",
        sha256=known.sha256 if known else "",
        problem=str(error),
    )
