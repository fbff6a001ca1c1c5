"""The layer of the own files, and what is said of it."""

import hashlib
import json

from builder.controls.audit import Audited
from builder.controls.secrets import look_of_file
from builder.image.layers import APP
from builder.model.definition import Definition
from builder.model.image import Image, Layer
from builder.model.tree import Entry, Rootfs
from builder.verify.report import Totals

KIND = "settled-1"
"""Of the store's records; counted up when their form changes."""
Seen = tuple[Totals, tuple[Audited, ...]]
"""What reading an image back comes to."""


def own_layer(image: Image) -> Layer:
    """An empty one where the image has no files of its own."""
    return next((layer for layer in image.layers if layer.name == APP), Layer(name=APP, rootfs=Rootfs()))


def bytes_of(layer: Layer) -> int:
    return sum(entry.size for entry in layer.rootfs.files())


def look_of(entry: Entry) -> str:
    return look_of_file(entry) or ""


def digest_of(definition: Definition | None) -> str:
    rows = [(file.path, file.text) for file in definition.files] if definition is not None else []
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
