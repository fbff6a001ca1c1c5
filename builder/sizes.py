"""Where an image's bytes are: by layer, by package, by type of file. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from builder.controls.inventory import inventory
from builder.model.image import Image
from builder.model.tree import Entry
from builder.show import Rows, table
from builder.verify.text import megabytes, plural

LARGEST = 20
"""Files that are named; all others are counted."""
SHOWN = 25
"""Rows of a table that a person sees; `--json` has them all."""

_BY_SUFFIX = {
    ".py": "Python source",
    ".pyc": "Python byte code",
    ".pyi": "Python type stub",
    ".a": "static library",
    ".h": "header",
    ".hpp": "header",
    ".cuh": "header",
    ".onnx": "model weights",
    ".safetensors": "model weights",
    ".gguf": "model weights",
    ".js": "web page",
    ".css": "web page",
    ".html": "web page",
    ".map": "web page",
    ".crt": "certificate",
    ".pem": "certificate",
    ".md": "documentation",
    ".rst": "documentation",
}
_BY_FOLDER = {
    "usr/share/zoneinfo/": "time zone",
    "usr/share/doc/": "documentation",
    "usr/share/man/": "documentation",
    "usr/share/locale/": "locale",
    "usr/lib/locale/": "locale",
    "var/lib/dpkg/": "package record",
}
UNOWNED = "no package"


def type_of(entry: Entry) -> str:
    """By what the file holds, else by its folder or its name."""
    facts = entry.content.facts if entry.content is not None else None
    if facts is not None and facts.elf is not None:
        return "program" if facts.elf.interpreter is not None else "library"
    for folder, name in _BY_FOLDER.items():
        if entry.path.startswith(folder):
            return name
    name = entry.path.rpartition("/")[2]
    if ".dist-info/" in entry.path:
        return "package record"
    if (suffix := name[name.rfind(".") :]) in _BY_SUFFIX and "." in name:
        return _BY_SUFFIX[suffix]
    return "script" if facts is not None and facts.shebang is not None else "data"


def sizes(image: Image, name: str) -> dict[str, Any]:
    """As plain data, largest first. Bytes of files as they are unpacked; links and folders count nothing."""
    files = [*image.rootfs.files()]
    owned = inventory(image).files
    largest = sorted(files, key=lambda entry: (-entry.size, entry.path))[:LARGEST]
    return {
        "image": name,
        "platform": image.config.platform,
        "digest": image.digest,
        "packed": image.size,
        "unpacked": sum(entry.size for entry in files),
        "files": len(files),
        "layers": [
            {
                "name": layer.name,
                "digest": layer.digest,
                "packed": layer.size,
                "unpacked": sum(entry.size for entry in layer.rootfs.files()),
                "files": sum(1 for _ in layer.rootfs.files()),
            }
            for layer in image.layers
        ],
        "packages": grouped(files, lambda entry: owned.get(entry.path, UNOWNED)),
        "types": grouped(files, type_of),
        "largest": [
            {"path": entry.path, "bytes": entry.size, "package": owned.get(entry.path, UNOWNED)}
            for entry in largest
        ],
    }


def grouped(files: Iterable[Entry], key: Callable[[Entry], str]) -> list[dict[str, Any]]:
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for entry in files:
        group = key(entry)
        sizes[group] += entry.size
        counts[group] += 1
    order = sorted(sizes, key=lambda group: (-sizes[group], group))
    return [{"name": group, "bytes": sizes[group], "files": counts[group]} for group in order]


def sizes_text(data: Mapping[str, Any]) -> str:
    head = (
        f"{data['image']}, {data['platform']}: {megabytes(data['unpacked'])} in "
        f"{plural(data['files'], 'file')}, {megabytes(data['packed'])} as stored"
    )
    layers: Rows = [
        (
            row["name"],
            megabytes(row["unpacked"]),
            f"{megabytes(row['packed'])} as stored",
            plural(row["files"], "file"),
        )
        for row in data["layers"]
    ]
    sections = [head, "layers", table(layers, right=(1, 2, 3))]
    for title in ("packages", "types"):
        sections += [title, group_text(data[title], data["unpacked"])]
    largest: Rows = [(megabytes(row["bytes"]), row["path"], row["package"]) for row in data["largest"]]
    return "\n".join([*sections, "largest files", table(largest, right=(0,))])


def group_text(rows: list[Mapping[str, Any]], whole: int) -> str:
    shown = [
        (
            row["name"],
            megabytes(row["bytes"]),
            f"{100 * row['bytes'] / max(whole, 1):.1f} %",
            plural(row["files"], "file"),
        )
        for row in rows[:SHOWN]
    ]
    rest = rows[SHOWN:]
    if rest:
        size, files = sum(row["bytes"] for row in rest), sum(row["files"] for row in rest)
        shown.append(
            (
                f"and {len(rest)} more",
                megabytes(size),
                f"{100 * size / max(whole, 1):.1f} %",
                plural(files, "file"),
            )
        )
    return table(shown, right=(1, 2, 3))
