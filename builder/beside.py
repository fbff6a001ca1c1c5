"""Reads what stands beside a layout and is no SBOM."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from builder.model.beside import Beside, StatedProvenance
from builder.model.lock import LockedIndex
from builder.stages import PROVENANCE
from builder.workplace import today

LARGEST = 64 << 20
"""Bytes of a file that is read; the provenance of the largest image has 60 kB."""


def beside(folder: Path, indexes: tuple[LockedIndex, ...]) -> Beside:
    """What is missing or can't be read is said, never raised."""
    return Beside(today=today(), indexes=indexes, provenance=_provenance(folder / PROVENANCE))


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


def _read(path: Path) -> tuple[bytes | None, str]:
    try:
        if path.stat().st_size > LARGEST:
            return None, f"has more than {LARGEST} bytes"
        return path.read_bytes(), ""
    except FileNotFoundError:
        return None, "is missing"
    except OSError as error:
        return None, f"can't be read: {str(error.strerror).lower()}"
