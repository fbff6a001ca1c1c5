"""pip's settings for uv: firms configure pip to reach their package index, and uv doesn't read that.

Only where uv has no index of its own. Local folders (`find-links`) are left out: a lock could not name them.
Source: "Configuration" in pip's user guide; "Configuration files" and "Environment variables" in uv's.
"""

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from builder.errors import InputError

INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")
"""Of uv: each holds one URL or several."""
_TRANSLATED = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_EXTRA_INDEX_URL",
    "cert": "SSL_CERT_FILE",
}


def uv_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv: with pip's index where uv has none, and never fetching a Python.

    Raises `InputError` for a configuration file of pip that can't be read.
    """
    settings = {} if _uv_has_index(environment) else pip_settings(environment)
    translated = {_TRANSLATED[key]: value for key, value in settings.items() if key in _TRANSLATED}
    return {**translated, **environment, "UV_PYTHON_DOWNLOADS": "never"}


def pip_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Keys as pip's options without dashes, each value on one line; the environment goes before files."""
    settings: dict[str, str] = {}
    for path in _pip_files(environment):
        settings |= _read(path)
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return {key: " ".join(value.split()) for key, value in settings.items()}


def _pip_files(environment: Mapping[str, str]) -> Iterator[Path]:
    """In pip's order, the later ones win."""
    chosen = environment.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return
    system, user = _config_folders(environment)
    yield system / "pip/pip.conf"
    yield Path("/etc/pip.conf")
    yield _home(environment) / ".pip/pip.conf"
    yield user / "pip/pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if chosen:
        yield Path(chosen)


def _config_folders(environment: Mapping[str, str]) -> tuple[Path, Path]:
    system = environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")[0]
    user = environment.get("XDG_CONFIG_HOME")
    return Path(system), Path(user) if user else _home(environment) / ".config"


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME", "/nonexistent"))


def _read(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        reason = error.strerror or "" if isinstance(error, OSError) else "is not a configuration file of pip"
        raise InputError(
            f"{path}: {reason.lower()}; mend it, or name the index in UV_DEFAULT_INDEX"
        ) from None
    sections = [dict(parser[name]) for name in ("global", "install") if name in parser]
    return {key.replace("_", "-"): value for section in sections for key, value in section.items()}


def _uv_has_index(environment: Mapping[str, str]) -> bool:
    if any(environment.get(name) for name in (*INDEX_VARIABLES, "UV_CONFIG_FILE")):
        return True
    system, user = _config_folders(environment)
    folders = [Path.cwd(), *Path.cwd().parents]
    files = [system / "uv/uv.toml", Path("/etc/uv/uv.toml"), user / "uv/uv.toml"]
    files += [folder / name for folder in folders for name in ("uv.toml", "pyproject.toml")]
    return any(_names_index(path) for path in files)


def _names_index(path: Path) -> bool:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return "index" in text and (path.name == "uv.toml" or "tool.uv" in text)
