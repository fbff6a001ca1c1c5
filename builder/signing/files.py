"""Key pairs on the disk."""

import os
from pathlib import Path

from builder.errors import InputError
from builder.signing.keys import make_pair


def write_pair(name: Path, passphrase: str) -> tuple[Path, Path]:
    """Both files or none. Raises `InputError`: a key that is there is never overwritten."""
    private, public = name.with_name(f"{name.name}.key"), name.with_name(f"{name.name}.pub")
    for path in (private, public):
        if path.exists():
            raise InputError(f"'{path}': is there already; take another name, or move it away")
    pair = make_pair(passphrase)
    try:
        _write(private, pair.private, 0o600)
        try:
            _write(public, pair.public, 0o644)
        except BaseException:
            private.unlink()
            raise
    except OSError as error:
        raise InputError(f"'{error.filename}': can't be written: {str(error.strerror).lower()}") from None
    return private, public


def _write(path: Path, data: bytes, mode: int) -> None:
    """Never readable by others, not even for a moment."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
