"""What packages say of their licences, as SPDX expressions. Pure; no text of a licence is ever guessed at.

Sources: machine-readable debian/copyright 1.0 (DEP-5); Python's core metadata 2.4 (PEP 639); SPDX 2.3,
annex D.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

REFERENCE = "LicenseRef-"
"""Begins the names that SPDX's list doesn't have (SPDX 2.3, 10.1)."""
MACHINE_READABLE = "copyright-format/1."
COMMON = re.compile(r"/usr/share/common-licenses/([A-Za-z]+(?:-[0-9]+(?:\.[0-9]+)*)?)")
_PARAGRAPHS = re.compile(r"\n[ \t]*\n")
_FIELD = re.compile(r"^([A-Za-z-]+):[ \t]*((?:.*)(?:\n[ \t].*)*)", re.MULTILINE)
_GNU = re.compile(r"(?i)(A|L)?GPL(?:-?v?([123](?:\.[0-9]+)?))?(\+|-or-later|-only)?")
_FREE_DOCUMENTATION = re.compile(r"(?i)G?FDL(-NIV)?-?v?(1(?:\.[0-9])?)?(\+)?")
_WITH = re.compile(r"(?i)(.+?)[ -]with[ -](.+)")

NAMES = {
    "apache": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "apache-software": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "artistic-1": "Artistic-1.0",
    "artistic-2": "Artistic-2.0",
    "boost-software-1.0": "BSL-1.0",
    "bsd-2": "BSD-2-Clause",
    "bsd-3": "BSD-3-Clause",
    "2-clause-bsd": "BSD-2-Clause",
    "3-clause-bsd": "BSD-3-Clause",
    "new-bsd": "BSD-3-Clause",
    "modified-bsd": "BSD-3-Clause",
    "simplified-bsd": "BSD-2-Clause",
    "cc0": "CC0-1.0",
    "expat": "MIT",
    "mit": "MIT",
    "isc-iscl": "ISC",
    "mozilla-public-2.0-mpl-2.0": "MPL-2.0",
    "mpl-2": "MPL-2.0",
    "psf": "PSF-2.0",
    "psf-2": "PSF-2.0",
    "python-software-foundation": "PSF-2.0",
    "unlicense-unlicense": "Unlicense",
    "zlib-libpng": "Zlib",
    "gnu-general-public-v2-gplv2": "GPL-2.0-only",
    "gnu-general-public-v2-or-later-gplv2+": "GPL-2.0-or-later",
    "gnu-general-public-v3-gplv3": "GPL-3.0-only",
    "gnu-general-public-v3-or-later-gplv3+": "GPL-3.0-or-later",
    "gnu-lesser-general-public-v2-lgplv2": "LGPL-2.0-only",
    "gnu-lesser-general-public-v2-or-later-lgplv2+": "LGPL-2.0-or-later",
    "gnu-lesser-general-public-v3-lgplv3": "LGPL-3.0-only",
    "gnu-lesser-general-public-v3-or-later-lgplv3+": "LGPL-3.0-or-later",
    "gnu-affero-general-public-v3": "AGPL-3.0-only",
    "gnu-affero-general-public-v3-or-later-agplv3+": "AGPL-3.0-or-later",
    "other-proprietary": "LicenseRef-Proprietary",
    "proprietary": "LicenseRef-Proprietary",
}
"""Debian's short names, people's spellings and Python's classifiers, by `_key`, where they mean one licence
and SPDX's list calls it otherwise. What means several ("BSD License") stays a name of its own."""
EXCEPTIONS = {
    "autoconf exception": {"GPL-2.0": "Autoconf-exception-2.0", "GPL-3.0": "Autoconf-exception-3.0"},
    "bison exception": {"": "Bison-exception-2.2"},
    "font exception": {"": "Font-exception-2.0"},
    "gcc runtime library exception": {"GPL-3.0": "GCC-exception-3.1"},
    "libtool exception": {"": "Libtool-exception"},
}
_NOTHING = frozenset({"", "none", "...", "unknown"})


@dataclass(frozen=True, slots=True)
class Licence:
    expression: str = ""
    """An SPDX licence expression; empty where nothing readable says one."""
    said_by: str = ""
    """Which statement it comes from: `DEP-5`, `License-Expression`, ..."""
    mentioned: tuple[str, ...] = ()
    """Texts of /usr/share/common-licenses that a file refers to which no machine can read. For what part,
    it doesn't say: this is no statement about the package."""


NO_LICENCE = Licence()


def of_copyright(text: str) -> Licence:
    """Of a Debian package's `copyright`: all that any part of the source is under, but for the packaging.

    One that is not machine-readable says nothing, but for the texts that it refers to.
    """
    if MACHINE_READABLE not in text[:400]:
        return Licence(mentioned=tuple(sorted(set(COMMON.findall(text)))))
    return _all(map(of_short_name, _short_names(text)), "DEP-5")


def _short_names(text: str) -> Iterator[str]:
    for paragraph in _PARAGRAPHS.split(text):
        fields = {name.lower(): value for name, value in _FIELD.findall(paragraph)}
        if "license" not in fields or not ("files" in fields or "format" in fields):
            continue
        if all(pattern.startswith("debian/") for pattern in fields.get("files", "*").split()):
            continue
        yield fields["license"].partition("\n")[0].strip()


def of_short_name(name: str) -> str:
    """DEP-5 as SPDX: `GPL-2+ or Artistic` -> `GPL-2.0-or-later OR Artistic-1.0-Perl`."""
    if name.casefold() in _NOTHING:
        return ""
    parts = re.split(r"(?i),\s+(and|or)\s+", name)
    if len(parts) > 1:  # a comma binds weaker than what stands between commas
        words = [of_short_name(part) if at % 2 == 0 else part.upper() for at, part in enumerate(parts)]
        return " ".join(f"({word})" if " OR " in word or " AND " in word else word for word in words)
    words = re.split(r"(?i)\s+(and|or)\s+", name)
    return " ".join(_one(word) if at % 2 == 0 else word.upper() for at, word in enumerate(words))


def _one(name: str) -> str:
    match = _WITH.fullmatch(name)
    if match is not None:
        base = _one(match[1])
        known = EXCEPTIONS.get(match[2].casefold().replace("-", " "), {})
        exception = next((found for start, found in known.items() if base.startswith(start)), "")
        return f"{base} WITH {exception}" if exception else _canonical(name) or _reference(name)
    return _gnu(name) or NAMES.get(_key(name)) or _listed(name) or _reference(name)


def _gnu(name: str) -> str | None:
    """The licences of GNU, whose later versions are part of the name. Without one, any will do (GPL-2, 9)."""
    if (match := _GNU.fullmatch(name.rstrip("."))) is not None:
        kind, version, later = match.groups()
        family = f"{(kind or '').upper()}GPL"
        if version is None:
            first = {"GPL": "1.0", "LGPL": "2.0", "AGPL": "1.0"}[family]
            return f"{family}-{first}-or-later"
        number = version if "." in version else f"{version}.0"
        return f"{family}-{number}-{'or-later' if later in ('+', '-or-later') else 'only'}"
    if (match := _FREE_DOCUMENTATION.fullmatch(name)) is not None:
        invariants, version, later = match.groups()
        number = version if version and "." in version else "1.1"
        niv = "-no-invariants" if invariants else ""
        return f"GFDL-{number}{niv}-{'or-later' if later or not version else 'only'}"
    return None


def of_metadata(text: str) -> Licence:
    """Of a wheel's METADATA: its expression, else a licence field of one line, else its classifiers."""
    fields = metadata_fields(text)
    stated = next(iter(fields.get("license-expression", ())), "")
    if stated:
        return Licence(_canonical(stated) or _reference(stated), "License-Expression")
    written = next(iter(fields.get("license", ())), "").strip()
    known = (_canonical(written) or NAMES.get(_key(written)) or _listed(written)) if written else None
    if known and " " not in known:
        return Licence(known, "License")
    trove = [line.rpartition(" :: ")[2] for line in fields.get("classifier", ()) if _is_licence(line)]
    if trove:
        return _all(
            (NAMES.get(_key(name)) or _listed(name) or _reference(name) for name in trove), "classifiers"
        )
    if written.casefold() not in _NOTHING and len(written) <= 80:
        return Licence(_reference(written), "License")
    return NO_LICENCE


def of_word(text: str, said_by: str) -> Licence:
    """Of a field that should hold an expression, and may hold anything."""
    word = text.strip()
    if word.casefold() in _NOTHING:
        return NO_LICENCE
    return Licence(_canonical(word) or _listed(word) or _reference(word), said_by)


def _is_licence(classifier: str) -> bool:
    return classifier.startswith("License :: ") and classifier != "License :: OSI Approved"


def metadata_fields(text: str) -> dict[str, list[str]]:
    """The header of METADATA: names in lower case, values as they stand, continuation lines left out."""
    found: dict[str, list[str]] = {}
    for line in text.replace("\r\n", "\n").partition("\n\n")[0].split("\n"):
        name, colon, value = line.partition(":")
        if colon and name and not name[0].isspace() and " " not in name:
            found.setdefault(name.lower(), []).append(value.strip())
    return found


def _all(expressions: Iterable[str], said_by: str) -> Licence:
    """Everything of it applies: sorted, each once, alternatives in brackets."""
    parts = sorted({part for part in expressions if part})
    if not parts:
        return NO_LICENCE
    if len(parts) == 1:
        return Licence(parts[0], said_by)
    whole = {piece for part in parts for piece in ([part] if " OR " in part else part.split(" AND "))}
    bracketed = (f"({part})" if " OR " in part else part for part in sorted(whole))
    return Licence(" AND ".join(bracketed), said_by)


def _key(name: str) -> str:
    """Spellings of one name: lower case, without `license` and the like, words joined by hyphens."""
    words = re.findall(r"[a-z0-9][a-z0-9.+]*", name.casefold().replace("licence", "license"))
    kept = [word for word in words if word not in ("the", "license", "version")]
    return "-".join(kept)


def _listed(name: str) -> str | None:
    """A name of SPDX's list as the list writes it."""
    word = re.sub(r"(?i)\s*licen[cs]e$", "", name.strip())
    return _canonical(word) if word and " " not in word else None


@cache
def _canonical(expression: str) -> str | None:
    """The expression in SPDX's own spelling; `None` where it is none."""
    from packaging.licenses import (  # noqa: PLC0415 - most commands ask for no licence
        InvalidLicenseExpression,
        canonicalize_license_expression,
    )

    try:
        return str(canonicalize_license_expression(expression))
    except InvalidLicenseExpression:
        return None


def _reference(name: str) -> str:
    word = re.sub(r"[^A-Za-z0-9.]+", "-", name.removeprefix(REFERENCE)).strip("-.")
    return f"{REFERENCE}{word[:80] or 'unnamed'}"


def references(expression: str) -> list[str]:
    """The names in it that SPDX's list doesn't have, in order, each once."""
    return list(dict.fromkeys(re.findall(r"LicenseRef-[A-Za-z0-9.-]+", expression)))
