"""Which Sigstore is meant: what it is trusted by, and where its services are.

Both are files in Sigstore's own forms, as cosign takes them. Without any it is the public instance, whose
files the library keeps up to date over TUF. The library is imported here only: it takes half a second.
"""

import json
import logging
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, TypeVar

from builder.errors import InputError, NetworkError
from builder.packages.mirrors import SIGSTORE, find_sigstore
from builder.signing.verifying import plain

if TYPE_CHECKING:
    from sigstore.models import SigningConfig, TrustedRoot

ROOT, SERVICES = SIGSTORE
"""Names of the options, of the user's settings below `sigstore`, and in capitals of the variables."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    root: "TrustedRoot"
    services: "SigningConfig"


def need_library() -> None:
    """Raises `InputError` where it wasn't installed: who signs with keys doesn't need it."""
    try:
        import sigstore  # noqa: F401, PLC0415 - an extra
    except ModuleNotFoundError:
        raise InputError(
            "signing and verifying without keys needs the library 'sigstore'; "
            "run `pip install 'temper[keyless]'`"
        ) from None
    logging.getLogger("sigstore").addHandler(logging.NullHandler())  # it would print what it only warns of
    if authorities := _authorities():
        os.environ.setdefault("REQUESTS_CA_BUNDLE", authorities)


def _authorities() -> str:
    """The system's, or SSL_CERT_FILE or SSL_CERT_DIR, none of which the library's client knows."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return paths.cafile
    folder = Path(paths.capath) if paths.capath else None
    return str(folder) if folder is not None and any(folder.iterdir()) else ""


def find_root(file: Path | None, env: Mapping[str, str] | None = None) -> "TrustedRoot":
    """To verify with. Raises `InputError`, `NetworkError`."""
    path = file or find_sigstore(ROOT, env=env)
    return read_root(path) if path else _public().root


def find_instance(root: Path | None, services: Path | None, env: Mapping[str, str] | None = None) -> Instance:
    """To sign with. Raises `InputError` where one of the two files is missing: they belong together."""
    found = root or find_sigstore(ROOT, env=env), services or find_sigstore(SERVICES, env=env)
    match found:
        case (None, None):
            return _public()
        case (Path() as trusted, Path() as used):
            return Instance(root=read_root(trusted), services=read_services(used))
    given, lacking = (ROOT, SERVICES) if found[0] else (SERVICES, ROOT)
    raise InputError(
        f"--{given}: '{found[0] or found[1]}' alone doesn't say which Sigstore signs; "
        f"give its --{lacking} too, or neither for the public one"
    )


def read_root(path: Path) -> "TrustedRoot":
    from sigstore.models import TrustedRoot  # noqa: PLC0415

    def read(name: str) -> TrustedRoot:
        with NamedTemporaryFile(suffix=".json") as file:
            file.write(_completed(Path(name).read_bytes()))
            file.flush()
            return TrustedRoot.from_file(file.name)

    return _read(path, "trusted root", read)


def read_services(path: Path) -> "SigningConfig":
    from sigstore.models import SigningConfig  # noqa: PLC0415

    return _read(path, "signing config", SigningConfig.from_file)


def _completed(data: bytes) -> bytes:
    """cosign leaves out empty names of authorities, as protobuf has it; the library wants them."""
    found = json.loads(data)
    rows = (found.get(kind) for kind in ("certificateAuthorities", "timestampAuthorities"))
    for authority in (one for row in rows if isinstance(row, list) for one in row):
        if isinstance(authority, dict):
            authority["subject"] = {"organization": "", "commonName": "", **authority.get("subject", {})}
    return json.dumps(found).encode()


def _read(path: Path, what: str, read: Callable[[str], T]) -> T:
    from pydantic import ValidationError  # noqa: PLC0415
    from sigstore.errors import Error  # noqa: PLC0415

    try:
        return read(str(path))
    except OSError as error:
        raise InputError(f"'{path}': can't be read: {str(error.strerror).lower()}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        reason = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
    except (Error, ValueError, TypeError, AttributeError) as error:
        reason = str(error)
    raise InputError(f"'{path}': is no {what} of Sigstore: {plain(reason)}")


def _public() -> Instance:
    from sigstore.errors import Error  # noqa: PLC0415
    from sigstore.models import ClientTrustConfig  # noqa: PLC0415

    try:
        found = ClientTrustConfig.production()
        return Instance(root=found.trusted_root, services=found.signing_config)
    except (Error, OSError) as error:
        raise NetworkError(
            f"what the public Sigstore is trusted by can't be fetched: {plain(error)}; "
            f"check the network, or name files of your own by --{ROOT} (and --{SERVICES} to sign)"
        ) from None
