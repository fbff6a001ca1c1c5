"""Reads what stands beside a layout and is no SBOM."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from builder.model.beside import Beside, StatedProvenance, StatedPublication
from builder.model.lock import LockedIndex
from builder.stages import PROVENANCE, PUBLISHED
from builder.workplace import today

LARGEST = 64 << 20
"""Bytes of a file that is read; the provenance of the largest image has 60 kB."""


def beside(folder: Path, indexes: tuple[LockedIndex, ...]) -> Beside:
    """What is missing or can't be read is said, never raised."""
    return Beside(
        today=today(),
        indexes=indexes,
        provenance=_provenance(folder / PROVENANCE),
        published=published(folder),
    )


def of_others() -> Beside:
    return Beside(today=today())


def _provenance(path: Path) -> StatedProvenance:
    data, problem = _read(path)
    if data is None:
        return StatedProvenance(problem=problem)
    try:
        return _stated(json.loads(data))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return StatedProvenance(problem="is no provenance that can be read")


def _stated(data: dict[str, Any]) -> StatedProvenance:
    [subject] = data["subject"]
    definition = data["predicate"]["buildDefinition"]
    epoch = definition["externalParameters"].get("source-date-epoch")
    inputs: Iterable[dict[str, Any]] = definition["resolvedDependencies"]
    return StatedProvenance(
        digest=f"sha256:{subject['digest']['sha256']}",
        inputs=frozenset(str(one["digest"]["sha256"]) for one in inputs),
        epoch=epoch if isinstance(epoch, int) else None,
    )


def published(folder: Path) -> StatedPublication | None:
    data, _ = _read(folder / PUBLISHED)
    try:
        said = json.loads(data or b"")
        rows = tuple((str(name), signed is True) for name, signed in said["references"].items())
        return StatedPublication(digest=str(said["digest"]), references=rows)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def publication(before: StatedPublication | None, digest: str, reference: str, *, signed: bool) -> bytes:
    """The file's next content: what the same image was published as before stays."""
    known = dict(before.references) if before is not None and before.digest == digest else {}
    data = {"digest": digest, "references": known | {reference: signed}}
    return (json.dumps(data, indent=2, sort_keys=True) + "\n").encode()


def _read(path: Path) -> tuple[bytes | None, str]:
    try:
        if path.stat().st_size > LARGEST:
            return None, f"has more than {LARGEST} bytes"
        return path.read_bytes(), ""
    except FileNotFoundError:
        return None, "is missing"
    except OSError as error:
        return None, f"can't be read: {str(error.strerror).lower()}"
