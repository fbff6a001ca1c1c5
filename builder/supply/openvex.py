"""Statements as an OpenVEX 0.2.0 document about one image. Pure; equal statements give equal bytes."""

import datetime
import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from builder import __version__
from builder.model.package import normal
from builder.model.vex import Issued

CONTEXT = "https://openvex.dev/ns/v0.2.0"
MEDIA_TYPE = "application/vnd.openvex+json"
PREDICATE = "https://openvex.dev/ns"
"""Of attestations: what `cosign verify-attestation --type openvex` asks for."""
Packages = Iterable[tuple[str, str]]
"""Name and purl of everything in the image."""


def document(
    issued: Sequence[Issued], image: str, digest: str, purls: Packages, today: datetime.date
) -> bytes:
    """Statements on packages that the image lacks are left out; empty where none is left.

    What expired or was revoked stays in it as `under_investigation`, dated by when that happened: readers of
    an earlier document learn in this way that it holds no more (of two statements the later one wins).
    """
    product = product_purl(image, digest)
    known = dict(purls)
    rows = [row for one in issued if (row := statement(one, product, known, today)) is not None]
    if not rows:
        return b""
    rows.sort(
        key=lambda row: (row["vulnerability"]["name"], row["timestamp"], json.dumps(row, sort_keys=True))
    )
    said = {
        "@context": CONTEXT,
        "author": "; ".join(dict.fromkeys(one.author for one in issued)),
        "timestamp": max(row["timestamp"] for row in rows),
        "tooling": f"temper {__version__}",
        "version": 1,
        "statements": rows,
    }
    text = json.dumps(said, sort_keys=True)
    whole = {**said, "@id": f"urn:temper:vex:{hashlib.sha256(text.encode()).hexdigest()}"}
    return (json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def product_purl(image: str, digest: str) -> str:
    """Source: the purl specification, type `oci`: the digest is the version, its ':' escaped."""
    return f"pkg:oci/{image.lower()}@{quote(digest, safe='')}"


def statement(
    one: Issued, product: str, purls: dict[str, str], today: datetime.date
) -> dict[str, Any] | None:
    parts = sorted(purls[normal(name)] for name in one.statement.packages if normal(name) in purls)
    if not parts:
        return None
    about = {
        "vulnerability": {"name": one.statement.vulnerability},
        "products": [{"@id": product, "subcomponents": [{"@id": part} for part in parts]}],
    }
    return {**about, **position(one, today)}


def position(one: Issued, today: datetime.date) -> dict[str, str]:
    said = one.statement
    if why := said.why_not(today):
        expired = said.expires + datetime.timedelta(days=1) if said.expires is not None else said.date
        day = said.revoked.date if said.revoked is not None else expired
        note = f"'{said.status}' of {said.date} {why}"
        return {"status": "under_investigation", "status_notes": note, "timestamp": midnight(day)}
    found = {"status": said.status, "timestamp": midnight(said.date)}
    if said.justification is not None:
        found |= {"justification": said.justification, "impact_statement": said.statement}
    else:
        found["status_notes"] = said.statement
    if said.action is not None:
        found["action_statement"] = said.action
    return found


def midnight(day: datetime.date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
