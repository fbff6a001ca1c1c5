"""Where archives are served from. Mirrors are configuration, so no host stands in code or in a lock."""

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from builder.errors import InputError

ARCHIVES = ("debian", "debian-security")
APT = Path("/etc/apt")
TEMPLATES = Path("/usr/share/python-apt/templates")
SIGSTORE = ("trusted-root", "signing-config")
"""Files of a Sigstore that isn't the public one."""
_SECTIONS = {"mirrors": ARCHIVES, "keyrings": ARCHIVES, "sigstore": SIGSTORE}
"""What the user's configuration may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An entry of apt's sources."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""


def find_mirror(
    archive: str,
    *,
    env: Mapping[str, str] | None = None,
    apt: Path = APT,
    templates: Path = TEMPLATES,
) -> str:
    """The base URL of an archive, without trailing slash; it may hold credentials.

    Environment, then the user's configuration, then the host's apt sources, then (on hosts of another
    distribution) python-apt's templates. Raises `InputError` that says what to set.
    """
    env = os.environ if env is None else env
    variable = _variable("MIRROR", archive)
    if env.get(variable):
        return _checked(env[variable], variable)
    path = config_path(env)
    configured = _setting(path, "mirrors", archive)
    if configured is not None:
        return _checked(configured, f"{path}: mirrors: {archive}")
    found = _from_apt(archive, apt) or _from_templates(archive, templates)
    if found is None:
        raise InputError(
            f"no mirror is known for the archive '{archive}'; set {variable} to its URL, "
            f"or 'mirrors: {{{archive}: URL}}' in '{path}'"
        )
    return found.rstrip("/")


def find_keyring(archive: str, *, env: Mapping[str, str] | None = None) -> Path | None:
    """A keyring that the user trusts for an archive instead of the distribution's own; None as a rule."""
    env = os.environ if env is None else env
    variable = _variable("KEYRING", archive)
    path = config_path(env)
    value, said_by = env.get(variable), variable
    if not value:
        value, said_by = _setting(path, "keyrings", archive), f"{path}: keyrings: {archive}"
    if not value:
        return None
    if not Path(value).is_file():
        raise InputError(f"{said_by}: no keyring at '{value}'; give the path of an OpenPGP public key file")
    return Path(value)


def find_sigstore(name: str, *, env: Mapping[str, str] | None = None) -> Path | None:
    """One of the files of a Sigstore of one's own; None where the public one is meant."""
    env = os.environ if env is None else env
    value = env.get(f"TEMPER_{name.upper().replace('-', '_')}") or _setting(
        config_path(env), "sigstore", name
    )
    return Path(value).expanduser() if value else None


def config_path(env: Mapping[str, str]) -> Path:
    root = env.get("XDG_CONFIG_HOME") or Path(env.get("HOME") or "~").expanduser() / ".config"
    return Path(root) / "temper" / "config.yaml"


def _variable(kind: str, archive: str) -> str:
    return f"TEMPER_{kind}_{archive.upper().replace('-', '_')}"


def _checked(url: str, said_by: str) -> str:
    """The URL itself stays out of the message: it may hold a password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(
            f"{said_by}: not an http or https URL; give one such as 'https://mirror.example/debian'"
        )
    return url.rstrip("/")


def _setting(path: Path, section: str, name: str) -> str | None:
    config, known = _config(path), _SECTIONS[section]
    values = config.get(section) or {}
    problems = [_unknown(path, key, tuple(_SECTIONS)) for key in config if key not in _SECTIONS]
    if not isinstance(values, dict):
        problems.append(f"{path}: {section}: not a mapping; write {', '.join(known)} and values below it")
        raise InputError(problems)
    problems += [_unknown(path, key, known, f"{section}: ") for key in values if key not in known]
    value = values.get(name)
    if value is not None and not isinstance(value, str):
        problems.append(f"{path}: {section}: {name}: not a string; quote it")
    if problems:
        raise InputError(problems)
    return value


def _config(path: Path) -> dict[Any, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: can't be read: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InputError(f"{place}: not YAML: {getattr(error, 'problem', None) or error}") from None
    if config is None:
        return {}
    if not isinstance(config, dict):
        raise InputError(f"{path}: not a mapping; write 'mirrors:' and archives below it")
    return config


def _unknown(path: Path, key: object, known: tuple[str, ...], section: str = "") -> str:
    near = difflib.get_close_matches(str(key), known, n=1)
    what_to_do = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
    return f"{path}: {section}unknown key '{key}'; {what_to_do}"


def _from_apt(archive: str, apt: Path) -> str | None:
    """The host's likeliest source: ranked, since other vendors also call their folder `debian`.

    A wrong pick can't do harm, only fail: the index must still carry the distribution's signature.
    """
    ranked = [(_rank(source, archive), source.uri) for source in read_sources(apt)]
    fitting = [(rank, uri) for rank, uri in ranked if rank > 0]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


_RELEASE = re.compile(
    r"(bullseye|bookworm|trixie|forky|duke|sid|oldstable|stable|testing|unstable)(-updates)?"
)
_SECURITY = re.compile(r"(bullseye|bookworm|trixie|forky|duke|oldstable|stable|testing)-security")


def _rank(source: Source, archive: str) -> int:
    """0 where it can't be this archive; higher the surer."""
    pattern = _SECURITY if archive == "debian-security" else _RELEASE
    if "main" not in source.components or not any(pattern.fullmatch(suite) for suite in source.suites):
        return 0
    rank = 1
    rank += 4 * ("debian-archive" in source.signed_by)
    rank += 2 * urlsplit(source.uri).path.rstrip("/").endswith(f"/{archive}")
    rank += any(suite.endswith("-updates") for suite in source.suites)
    return rank


def read_sources(apt: Path) -> Iterator[Source]:
    """Every http(s) package source in apt's two formats (sources.list(5)), in apt's order."""
    folder = apt / "sources.list.d"
    files = [apt / "sources.list", *(sorted(folder.iterdir()) if folder.is_dir() else ())]
    for file in files:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # absent, or not ours to read: another source may do
        if file.suffix == ".list":
            yield from _one_line(text)
        elif file.suffix == ".sources":
            yield from _deb822(text)


_ONE_LINE = re.compile(
    r"deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>https?://\S+)\s+(?P<suite>\S+)(?P<rest>.*)"
)


def _one_line(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        match = _ONE_LINE.match(line.split("#")[0].strip())
        if match:
            signed = re.search(r"signed-by=(\S+)", match["options"] or "")
            yield Source(
                uri=match["uri"],
                suites=(match["suite"],),
                components=tuple(match["rest"].split()),
                signed_by=signed[1] if signed else "",
            )


def _deb822(text: str) -> Iterator[Source]:
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in (
            "no",
            "false",
        ):
            continue
        for uri in fields.get("uris", "").split():
            if uri.startswith(("http://", "https://")):
                yield Source(
                    uri=uri,
                    suites=tuple(fields.get("suites", "").split()),
                    components=tuple(fields.get("components", "").split()),
                    signed_by=fields.get("signed-by", ""),
                )


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    key = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t"):
            fields[key] = f"{fields.get(key, '')} {line.strip()}"
        elif ":" in line:
            key, _, value = line.partition(":")
            key = key.strip().lower()
            fields[key] = value.strip()
    return fields


def _from_templates(archive: str, templates: Path) -> str | None:
    """python-apt's description of Debian, which Ubuntu carries too."""
    try:
        text = (templates / "Debian.info").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    wanted = "{series}-security" if archive == "debian-security" else "{series}"
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if fields.get("suite") == wanted and fields.get("baseuri", "").startswith(("http://", "https://")):
            return fields["baseuri"]
    return None
