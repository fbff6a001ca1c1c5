"""Which layer, and which step of the Dockerfile, brought what a finding speaks of."""

import re
from collections.abc import Iterable
from dataclasses import replace

from builder.controls.audit import Audited
from builder.controls.secrets import names_secret
from builder.model.image import Image, Layer
from builder.model.report import Finding

LONGEST = 100
"""Characters of a step that are shown."""
_NOP = re.compile(r"^(?:RUN )?/bin/sh -c #\(nop\)\s*")
_SHELL = re.compile(r"^(?:RUN )?(?:\|[0-9]+ .*? )?/bin/sh -c ")


def with_origins(image: Image, audits: Iterable[Audited]) -> tuple[Audited, ...]:
    """The same, each finding about a file with its layer and that layer's step."""
    numbers = {layer.digest: number for number, layer in enumerate(image.layers, 1)}
    return tuple(
        replace(one, findings=tuple(_with_origin(image, finding, numbers) for finding in one.findings))
        for one in audits
    )


def _with_origin(image: Image, finding: Finding, numbers: dict[str, int]) -> Finding:
    layer = _layer(image, finding)
    if layer is None:
        return finding
    origin = f"layer {numbers[layer.digest]} of {len(image.layers)}, made by '{shown_step(layer.name)}'"
    return replace(finding, message=f"{finding.message}; {origin}", layer=layer.digest)


def _layer(image: Image, finding: Finding) -> Layer | None:
    if finding.layer:
        return next((layer for layer in image.layers if layer.digest == finding.layer), None)
    entry = image.rootfs.get(finding.path) if finding.path else None
    if entry is None:
        return None
    return next((layer for layer in reversed(image.layers) if layer.rootfs.get(finding.path) is entry), None)


def shown_step(created_by: str) -> str:
    """The step as a Dockerfile has it, on one line; nothing but its first word where it holds a secret."""
    text = " ".join(created_by.split()).removesuffix(" # buildkit")
    plain = _NOP.sub("", text)
    if plain == text:
        plain = _SHELL.sub("RUN ", text)
    if names_secret(created_by):
        return f"{plain.split(' ')[0]} ... (it holds a secret)"
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 4] + " ..."
