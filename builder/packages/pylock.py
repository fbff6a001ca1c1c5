"""Asking uv which wheels an image needs: one run of `uv pip compile`, its answer and its failures.

uv's own configuration, else pip's, decides on the package index, as on the host.
Source: PEP 751 (pylock.toml); uv's reference for `uv pip compile`.
"""

import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from builder import process
from builder.errors import InputError, NetworkError, ToolError
from builder.packages.pip_settings import INDEX_VARIABLES, uv_environment

MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}
GLIBC_MINORS = (17, 28, *range(31, 41))
"""The manylinux versions that uv knows; a C library runs wheels made for any older one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What wheels have to fit."""

    python: str
    """`3.13`"""
    platform: str
    """`linux/amd64`"""
    glibc: str
    """`2.41`"""

    def __str__(self) -> str:
        return f"Python {self.python} on {self.platform}"

    @property
    def machine(self) -> str:
        return MACHINES[self.platform]

    @property
    def glibc_minor(self) -> int:
        return int(self.glibc.split(".")[1])

    @property
    def uv_platform(self) -> str:
        minor = max(minor for minor in GLIBC_MINORS if minor <= self.glibc_minor)
        return f"{self.machine}-manylinux_2_{minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedWheel:
    """A wheel as the index offers it."""

    name: str
    version: str
    filename: str
    url: str
    sha256: str
    size: int | None
    """Bytes; None where the index doesn't tell."""


class UnsolvableError(Exception):
    """uv found no set of wheels; `reason` is its explanation, on one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def resolve(
    requirements: Iterable[str],
    target: Target,
    *,
    alone: bool = False,
    without: Sequence[str] = (),
    preferred: Mapping[str, str] = MappingProxyType({}),
) -> tuple[IndexedWheel, ...]:
    """The wheels that meet the requirements, with their dependencies unless `alone`, but for those `without`.

    `preferred` versions, by name, are taken where they meet everything and the index has them.

    Raises `UnsolvableError`, `NetworkError` where the index can't be read, `ToolError` where uv fails.
    """
    import uv  # noqa: PLC0415 - not needed by a warm build

    command = [uv.find_uv_bin(), "pip", "compile", "-", "--quiet"]
    command += ["--format", "pylock.toml", "--no-header", "--no-annotate"]
    command += ["--no-build", *(["--no-deps"] if alone else [])]
    command += ["--python-version", target.python, "--python-platform", target.uv_platform]
    command += ["--python", sys.executable]  # else uv looks for the image's version, on the network too
    stdin = "".join(f"{requirement}\n" for requirement in sorted(requirements)).encode()
    environment = uv_environment(os.environ)
    with _excluded(without) as words, _preferring(preferred) as (output, answer):
        done = process.run([*command, *words, *output], env=environment, stdin=stdin, check=False)
        if done.returncode != 0:
            _fail(done.stderr.decode(errors="replace"))
        found = answer.read_text(encoding="utf-8") if answer is not None else done.stdout.decode()
    packages = tomllib.loads(found).get("packages", [])
    users = _credentials(environment)
    return tuple(wheel for package in packages for wheel in _wheels(package, users))


@contextmanager
def _excluded(names: Sequence[str]) -> Iterator[list[str]]:
    """uv takes them out of a file only."""
    if not names:
        yield []
        return
    with tempfile.NamedTemporaryFile("w", prefix="temper-without-", suffix=".txt") as file:
        file.writelines(f"{name}\n" for name in names)
        file.flush()
        yield ["--excludes", file.name]


@contextmanager
def _preferring(versions: Mapping[str, str]) -> Iterator[tuple[list[str], Path | None]]:
    """uv prefers what stands in the file that its answer goes to, as `uv lock` does."""
    if not versions:
        yield [], None
        return
    rows = "".join(
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in versions.items()
    )
    with tempfile.TemporaryDirectory(prefix="temper-preferred-") as folder:
        answer = Path(folder) / "pylock.toml"
        answer.write_text(f'lock-version = "1.0"\ncreated-by = "temper"\n{rows}', encoding="utf-8")
        yield ["--output-file", str(answer)], answer


def _credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """`host:port` -> `user:password`, of index URLs: uv leaves them out of its answer."""
    values = " ".join(environment.get(name, "") for name in INDEX_VARIABLES)
    return {host: user for user, host in re.findall(r"https?://([^/@\s]+)@([^/\s]+)", values)}


def _wheels(package: dict[str, Any], users: Mapping[str, str]) -> list[IndexedWheel]:
    name = package["name"]
    wheels = package.get("wheels", [])
    if any("url" not in wheel for wheel in wheels):
        raise InputError(
            f"python.requirements: '{name}': uv finds it in a local folder; only an index can be locked"
        )
    return [_wheel(name, package["version"], wheel, users) for wheel in wheels if "sha256" in wheel["hashes"]]


def _wheel(name: str, version: str, wheel: dict[str, Any], users: Mapping[str, str]) -> IndexedWheel:
    parts = urlsplit(wheel["url"])
    if parts.netloc in users:
        parts = parts._replace(netloc=f"{users[parts.netloc]}@{parts.netloc}")
    return IndexedWheel(
        name=name,
        version=version,
        filename=wheel.get("name") or unquote(parts.path.rpartition("/")[2]),
        url=parts.geturl(),
        sha256=wheel["hashes"]["sha256"],
        size=wheel.get("size"),
    )


def _fail(said: str) -> NoReturn:
    """uv ends with 1 for most failures, and words them as `error:`, lines of `cause:` and `hint:`."""
    text, _, hint = said[max(said.find("error: "), 0) :].removeprefix("error: ").partition("\nhint:")
    parts = re.split(r"\n\s*cause: ", without_secrets(text))
    if "could not be queried" in hint:
        refused = _one_line([without_secrets(hint)])
        raise NetworkError(f"{refused[:1].lower()}{refused[1:]}; check the credentials of the package index")
    if parts[0].startswith("No solution found"):
        raise UnsolvableError(_one_line(parts[1:]))
    unread = next((at for at, part in enumerate(parts) if part.startswith("Failed to fetch")), None)
    if unread is not None:
        raise NetworkError(f"the package index can't be read: {_one_line(parts[unread:])}")
    raise ToolError(f"uv: {_one_line(parts)}")


def _one_line(parts: Sequence[str]) -> str:
    return ": ".join(" ".join(part.split()) for part in parts).strip()


def without_secrets(text: str) -> str:
    """URLs keep neither user nor password."""
    return re.sub(r"(https?://)[^/@\s]+@", r"\1", text)
