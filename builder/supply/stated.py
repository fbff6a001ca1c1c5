"""What an SBOM says, read back: whose it is and which packages it names. Pure but for reading."""

import json
import re
from typing import Any, BinaryIO
from urllib.parse import unquote

Said = tuple[str, list[tuple[str, str, str]]]
"""The image's digest; kind, name and version of each package."""
_OPENED = re.compile(rb'"([a-z]+)": \[')
_WANTED, _NEEDED = {"packages", "components"}, {"SPDXID", "versionInfo", "externalRefs", "purl"}
"""Lists that are looked into, and at which keys of their elements."""


def said(stream: BinaryIO) -> Said:
    """Of SPDX or CycloneDX, whoever wrote it. Raises `ValueError`, `LookupError` or the like for all else.

    Ours have an element on each line, so that 90 MB need not be held.
    """
    try:
        lines = _Lines()
        for line in stream:
            lines.take(line)
        data = lines.whole()
    except ValueError:
        stream.seek(0)
        data = json.load(stream)
    return _looked_at(data)


class _Lines:
    """Parses every line, also those that nobody looks at. Raises `ValueError` where they aren't as ours."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {}
        self._inside: list[str] = []
        self._more: bool | None = None
        """A comma said that something follows, or its absence that nothing does; None after what opens."""

    def take(self, line: bytes) -> None:
        text = line.removesuffix(b"\n")
        bare = text.removesuffix(b",")
        if bare in {b"]", b"}"}:
            self._close(bare)
        elif self._more is False:
            raise ValueError("a comma is missing")
        elif opened := self._opened(text):
            self._inside.append(opened)
            self._more = None
            return
        else:
            self._element(bare)
        self._more = text != bare

    def whole(self) -> dict[str, Any]:
        if self._inside or self._more is not False:
            raise ValueError("something is missing at the end")
        return self._found

    def _opened(self, text: bytes) -> str:
        if not self._inside:
            return "{" if text == b"{" and self._more is None else ""
        match = _OPENED.fullmatch(text) if self._inside == ["{"] else None
        if match is None:
            return ""
        name = match[1].decode()
        self._found[name] = []
        return name

    def _close(self, sign: bytes) -> None:
        if self._more or len(self._inside) != {b"}": 1, b"]": 2}[sign]:
            raise ValueError("closed too early")
        self._inside.pop()

    def _element(self, bare: bytes) -> None:
        match self._inside:
            case ["{"]:
                self._found |= json.loads(b"{%s}" % bare)
            case ["{", name]:
                element = json.loads(bare)
                if name in _WANTED:
                    self._found[name].append({key: element[key] for key in _NEEDED & element.keys()})
            case _:
                raise ValueError("stands outside")


def _looked_at(data: dict[str, Any]) -> tuple[str, list[tuple[str, str, str]]]:
    if "bomFormat" in data:
        digest = data["metadata"]["component"]["version"]
        purls = [one.get("purl", "") for one in data["components"]]
    else:
        [image] = [one for one in data["packages"] if one["SPDXID"] == "SPDXRef-Image"]
        digest = image["versionInfo"]
        ids = [one for one in data["packages"] if not one["SPDXID"].startswith("SPDXRef-bundled-")]
        purls = [ref["referenceLocator"] for one in ids for ref in one.get("externalRefs", ())]
    return digest, sorted(filter(None, map(_package, purls)))


def _package(purl: str) -> tuple[str, str, str] | None:
    """`pkg:deb/debian/libc6@2.41-12?arch=amd64` -> kind, name, version; of other kinds nothing."""
    kind, _, rest = purl.partition("?")[0].removeprefix("pkg:").partition("/")
    name, _, version = rest.rpartition("/")[2].partition("@")
    known = {"deb": "deb", "pypi": "wheel"}.get(kind)
    return (known, unquote(name), unquote(version)) if known else None
